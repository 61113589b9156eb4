"""The model files that come with the program: the folder and the checksum of each, and reading them."""

from __future__ import annotations

import hashlib
from pathlib import Path

import cv2
import numpy as np

from photo.errors import MissingModel

_ROOT = Path(__file__).parents[1]

MODELS = {
    "deploy.prototxt": (_ROOT, "85abd2feeb48703094444073b29ecbcc1ebb66481548e5808e90f38681123ca7"),
    "res10_300x300_ssd_iter_140000.caffemodel": (
        _ROOT,
        "2a56a11a57a4a295956b0660b4a3d76bbdca2206c4961cea8efe7d95c7cb2f2d",
    ),
    "haarcascade_frontalface_default.xml": (_ROOT, "0f7d4527844eb514d4a4948e822da90fbb16a34a0bbbbc6adc6498747a5aafb0"),
    "haarcascade_smile.xml": (_ROOT, "4ca1f304eabd0b5ae30180c81acb53e166a5867e5be17b316bd3f32cfdf87d8a"),
    "face_landmarker.task": (_ROOT / "models", "64184e229b263107bc2b804c6625db1341ff2bb731874b0bcc2fe6544e0bc9ff"),
    "eye_refiner_24.onnx": (_ROOT / "models", "0e649ea653528c741da1fce789ca7de49f5d82dfd21d3ff5f3398dca8db1e0b0"),
    "mouth_look.onnx": (_ROOT / "models", "f923aaea91e34e86056d60935a6bdb7f8dd47683518cbdf3ac8466eae1759f5f"),
    "eye_exemplars.npz": (_ROOT / "models", "850fa3259f0d36082be644d511d04159f8032316b2866b6ac22ca73560f79852"),
    "face_detection_yunet_2026may.onnx": (
        _ROOT / "models",
        "ebafce4e3c118d6554634be5c27ab333b4c047a9a8c3faf1d7cf93101c22f0f0",
    ),
    "mobilefacenet.onnx": (_ROOT / "models", "92ec4793d195efae1e5f65bf268d016c8236150fb137f71a871a4043d06f6f67"),
}
"""Folder and SHA-256 of each model file, by its name."""


def model_bytes(name: str) -> bytes:
    """Return the bytes of one of MODELS, checked against its SHA-256.

    Every call reads the whole file anew, so callers cache what they load from it. Raises MissingModel when the file is
    missing, cannot be read, or has other bytes.
    """
    folder, checksum = MODELS[name]
    try:
        data = (folder / name).read_bytes()
    except FileNotFoundError as error:
        raise MissingModel(f"The model file {name} is missing beside the program.") from error
    except OSError as error:
        raise MissingModel(f"The model file {name} cannot be read: {error.strerror}.") from error
    if hashlib.sha256(data).hexdigest() != checksum:
        raise damaged_model(name)
    return data


def read_network(name: str) -> cv2.dnn.Net:
    """Return the network of one of MODELS that is an ONNX file, read anew. Raises MissingModel.

    It keeps its input between two calls, so only one thread may use it at a time.
    """
    data = np.frombuffer(model_bytes(name), np.uint8)
    try:
        return cv2.dnn.readNetFromONNX(data)
    except cv2.error as error:
        raise damaged_model(name) from error


def damaged_model(name: str) -> MissingModel:
    """Return the error for a model file whose content is not what it should be."""
    return MissingModel(f"The model file {name} is damaged; fetch the program's folder anew.")
