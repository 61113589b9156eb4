"""Says of every photo whether it is fine, can be fixed, or cannot, and changes none of them."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from commands.console import note_interrupts
from commands.outcome import DONE, STOPPED, Guarded
from commands.request import Request
from edit.arguments import BAD_USAGE
from edit.options import Options
from retouch.places import OUTPUT_FOLDER
from triage.run import TriageFiles, TriageJob
from triage.scenes import judge_scene


def sort_photos(request: Request, options: Options) -> int:
    """Judge the photos, write the tables, the sheet and sidecars; return the exit code."""
    parsed, console = request.parsed, request.console
    output = OUTPUT_FOLDER if parsed.output_path is None else Path(parsed.output_path)
    job = TriageJob(TriageFiles(request.sources, output, parsed.recursive, parsed.sidecars, parsed.overwrite))
    is_stopped = False
    with note_interrupts(request.interrupts):
        try:
            with console.show_progress() as on_progress:
                job.judge(partial(_make_judge, options, parsed.debug), parsed.workers, on_progress)
        except KeyboardInterrupt:
            is_stopped = True
        console.say(job.write(is_stopped=is_stopped))
    if passed_over := job.describe_passed_over():
        console.say(passed_over)
    if is_stopped:
        console.complain(f"stopped: {len(job.verdicts)} of {len(job.listing.paths)} photos were looked at.")
        return STOPPED
    return BAD_USAGE if any(one.error for one in job.verdicts) else DONE


def _make_judge(options: Options, debug: bool) -> Guarded:
    """What judges the scenes of a triage, to be made in each of its processes."""
    return Guarded(partial(judge_scene, options=options), debug)
