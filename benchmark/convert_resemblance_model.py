"""Rewrites the face-recognition network as ONNX: convert_resemblance_model.py MobileFaceNet.tflite mobilefacenet.onnx

The network is published for TensorFlow Lite (THIRD_PARTY.md says where to get it), which OpenCV cannot read as it
stands: the activation is spelled out in five steps, relu(x) + c (x - |x|). Here these become one PReLU with the slope
2c, the axes change their order, and the batch of two becomes one; no number of the weights changes.
Needs the packages onnx (to write) and mediapipe (0.10.21 brings a reader of the other format).
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np

from photo.types import FloatArray

# The five steps of the activation, in the order in which the file has them.
_PRELU = ("RELU", "ABS", "SUB", "MUL", "ADD")
_SAME_PADDING = 0  # TensorFlow's SAME, in the format's own numbering
_OPSET = 11  # the version of ONNX that OpenCV 4 reads best


def read_network(path: Path) -> tuple[Any, list[tuple[str, Any]], list[FloatArray | None]]:
    """Read a TensorFlow Lite file: its graph, the operators with their names in order, and the constants by tensor."""
    from mediapipe.tasks.metadata import schema_py_generated as schema

    model = schema.ModelT.InitFromObj(schema.Model.GetRootAsModel(path.read_bytes(), 0))
    graph = model.subgraphs[0]
    names = {number: name for name, number in vars(schema.BuiltinOperator).items() if isinstance(number, int)}
    codes = [names[max(code.builtinCode, code.deprecatedBuiltinCode)] for code in model.operatorCodes]
    operators = [(codes[operator.opcodeIndex], operator) for operator in graph.operators]
    constants: list[FloatArray | None] = []
    for tensor in graph.tensors:
        data = model.buffers[tensor.buffer].data
        is_float = tensor.type == schema.TensorType.FLOAT32 and data is not None
        constants.append(np.frombuffer(bytes(data), np.float32).reshape(tensor.shape) if is_float else None)
    return graph, operators, constants


def convert(path: Path, target: Path) -> None:
    """Write the network of `path` to `target` as ONNX: input (1, 3, 112, 112), output (1, 192).

    Raises ValueError for an operator that this network does not have.
    """
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    graph, operators, constants = read_network(path)
    shapes = [list(map(int, tensor.shape)) for tensor in graph.tensors]
    nodes: list[Any] = []
    weights: dict[str, Any] = {}

    def keep(name: str, values: FloatArray) -> str:
        weights[name] = numpy_helper.from_array(np.ascontiguousarray(values, np.float32), name)
        return name

    index = 0
    while index < len(operators):
        kind, operator = operators[index]
        inputs, output = [int(i) for i in operator.inputs], int(operator.outputs[0])
        if tuple(name for name, _ in operators[index : index + 5]) == _PRELU:
            half_slope = next(c for i in operators[index + 3][1].inputs if (c := constants[int(i)]) is not None)
            output = int(operators[index + 4][1].outputs[0])
            slope = keep(f"slope{output}", 2 * half_slope.reshape(-1, 1, 1))
            nodes.append(helper.make_node("PRelu", [f"t{inputs[0]}", slope], [f"t{output}"]))
            index += 5
            continue
        if kind in ("CONV_2D", "DEPTHWISE_CONV_2D"):
            kernel, bias = constants[inputs[1]], constants[inputs[2]]
            assert kernel is not None and bias is not None
            deep = kind == "DEPTHWISE_CONV_2D"
            kernel = kernel.transpose(3, 0, 1, 2) if deep else kernel.transpose(0, 3, 1, 2)
            stride = int(operator.builtinOptions.strideW)
            size = kernel.shape[-1]
            # TensorFlow puts an odd pixel of padding to the right and below.
            lack = (shapes[output][1] - 1) * stride + size - shapes[inputs[0]][1]
            lack = max(lack, 0) if operator.builtinOptions.padding == _SAME_PADDING else 0
            nodes.append(
                helper.make_node(
                    "Conv",
                    [f"t{inputs[0]}", keep(f"w{output}", kernel), keep(f"b{output}", bias)],
                    [f"t{output}"],
                    kernel_shape=[size, size],
                    strides=[stride, stride],
                    pads=[lack // 2, lack // 2, lack - lack // 2, lack - lack // 2],
                    group=kernel.shape[0] if deep else 1,
                )
            )
        elif kind == "ADD":
            nodes.append(helper.make_node("Add", [f"t{i}" for i in inputs], [f"t{output}"]))
        elif kind == "RESHAPE":
            nodes.append(helper.make_node("Flatten", [f"t{inputs[0]}"], [f"t{output}"], axis=1))
        else:
            raise ValueError(f"this network has no {kind}")
        index += 1

    first, last = int(graph.inputs[0]), int(graph.outputs[0])
    height, width, channels = shapes[first][1:]
    made = helper.make_graph(
        nodes,
        "MobileFaceNet",
        [helper.make_tensor_value_info(f"t{first}", TensorProto.FLOAT, [1, channels, height, width])],
        [helper.make_tensor_value_info(f"t{last}", TensorProto.FLOAT, [1, shapes[last][1]])],
        list(weights.values()),
    )
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", _OPSET)])
    model.ir_version = 6  # what belongs to opset 11
    onnx.checker.check_model(model)
    target.write_bytes(model.SerializeToString(deterministic=True))


def main() -> None:
    """Convert the file named on the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("source", type=Path)
    parser.add_argument("target", type=Path)
    choice = parser.parse_args()
    convert(choice.source, choice.target)


if __name__ == "__main__":
    main()
