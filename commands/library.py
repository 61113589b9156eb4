"""Fills the photo library, looks at it or its people, or makes it forget."""

from __future__ import annotations

from pathlib import Path

from commands.console import note_interrupts
from commands.outcome import DONE, STOPPED
from commands.request import Request
from library.manage import describe_library, fill_library, forget_folders, list_people, name_person, take_out
from photo.errors import BadOption


def keep_library(request: Request) -> int:
    """Do what one of the library's flags asks for, and say what came of it; return the exit code."""
    parsed, console = request.parsed, request.console
    with note_interrupts(request.interrupts):
        if parsed.library_info:
            console.say(describe_library(parsed.library))
        elif parsed.forget:
            console.say(forget_folders(parsed.library, parsed.forget))
        elif parsed.people:
            page = None if parsed.people is True else parsed.people
            with console.show_progress() as on_progress:
                text = list_people(parsed.library, page, on_progress)
            console.say(text)
        elif parsed.name_person:
            console.say(name_person(parsed.library, *parsed.name_person))
        elif parsed.not_person:
            who, *photos = parsed.not_person
            if not photos:
                raise BadOption("--not_person takes a person, and the photos that do not show them.")
            console.say(take_out(parsed.library, who, [Path(photo) for photo in photos]))
        else:
            with console.show_progress() as on_progress:
                text, is_stopped = fill_library(parsed.library, parsed.index, on_progress)
            console.say(text)
            if is_stopped:
                console.complain("stopped; the next run with --index reads the rest.")
                return STOPPED
    return DONE
