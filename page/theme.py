"""How the page looks: its theme, its style sheet (`page.css`), and the scripts that its parts need.

Nothing is fetched from elsewhere: the fonts are those of the visitor's own system.
"""

from __future__ import annotations

import json
from pathlib import Path

import gradio as gr

from photo.files import INPUT_ENDINGS

LARGEST_FILE_MB = 100
"""Larger uploads are refused; the page says so."""
EDIT_COLOR = (240, 140, 20)
"""RGB of all that is edited, or is to be: boxes, what is repainted, the brush that asks for it …"""
KEEP_COLOR = (75, 159, 225)
"""… and of all that stays as it is. `page.css` has the same two, and a third for faces that it asks about."""

_SYSTEM_FONTS = ("ui-sans-serif", "system-ui", "-apple-system", "Segoe UI", "Inter", "Roboto", "Arial", "sans-serif")
_SYSTEM_MONO = ("ui-monospace", "SFMono-Regular", "Menlo", "Consolas", "monospace")


def make_theme() -> gr.themes.Base:
    """Return the theme: neutral greys, so that nothing tints the eye that judges a photo, and one ink."""
    theme = gr.themes.Base(
        primary_hue=gr.themes.colors.orange,
        neutral_hue=gr.themes.colors.neutral,
        radius_size=gr.themes.sizes.radius_md,
        spacing_size=gr.themes.sizes.spacing_md,
        text_size=gr.themes.sizes.text_md,
        font=_SYSTEM_FONTS,
        font_mono=_SYSTEM_MONO,
    )
    return theme.set(
        body_background_fill="#f4f4f3",
        body_background_fill_dark="#141414",
        body_text_color="#1c1c1b",
        body_text_color_dark="#ececea",
        body_text_color_subdued="#63635f",
        body_text_color_subdued_dark="#a5a5a0",
        background_fill_primary="#ffffff",
        background_fill_primary_dark="#1e1e1e",
        block_background_fill="#ffffff",
        block_background_fill_dark="#1e1e1e",
        block_border_width="0px",
        block_label_background_fill="transparent",
        block_shadow="none",
        block_label_shadow="none",
        border_color_primary="#dededb",
        border_color_primary_dark="#373735",
        button_primary_background_fill="#1c1c1b",
        button_primary_background_fill_hover="#3a3a38",
        button_primary_background_fill_dark="#f1f1ee",
        button_primary_background_fill_hover_dark="#ffffff",
        button_primary_text_color="#ffffff",
        button_primary_text_color_dark="#1c1c1b",
        button_secondary_background_fill="#e8e8e5",
        button_secondary_background_fill_hover="#dcdcd8",
        button_secondary_background_fill_dark="#2e2e2d",
        button_secondary_background_fill_hover_dark="#3b3b39",
        slider_color="#1c1c1b",
        slider_color_dark="#f1f1ee",
        checkbox_background_color_selected="#1c1c1b",
        checkbox_background_color_selected_dark="#f1f1ee",
        checkbox_border_color_selected="#1c1c1b",
        checkbox_border_color_focus="#1c1c1b",
        checkbox_border_color_selected_dark="#f1f1ee",
        input_background_fill="#f7f7f5",
        input_background_fill_dark="#262625",
    )


PICK_SCRIPT = """
element.addEventListener('click', event => {
  const button = event.target.closest('[data-pick]');
  if (!button) return;
  document.querySelectorAll('[data-group="' + button.dataset.group + '"]').forEach(other =>
    other.setAttribute('aria-pressed', String(other.dataset.pick === button.dataset.pick)));
  trigger('pick', {what: button.dataset.pick});
});
"""
"""For parts made of buttons: a click on one with `data-pick` triggers the event `pick`."""

CANVAS_SCRIPT = """
for (const name of ['masks', 'strokes', 'detail'])
  element.addEventListener(name, event => trigger(name, {what: event.detail}));
"""
"""For the part that lies over the photo: what `canvas.js` and `brush.js` tell it, it passes on."""

STYLE_SHEET = Path(__file__).parent / "page.css"
_SCRIPTS = tuple(Path(__file__).parent / name for name in ("page.js", "canvas.js", "brush.js"))


def read_script() -> str:
    """Return the script of the page, as it stands between its tags: first what the page takes, which it asks for."""
    takes = json.dumps({"endings": INPUT_ENDINGS, "megabytes": LARGEST_FILE_MB})
    return "\n".join(["", f"const TAKES = {takes};", *(script.read_text(encoding="utf-8") for script in _SCRIPTS)])


def make_head() -> str:
    """Return what goes into the head of the page: its script."""
    return f"<script>{read_script()}</script>"
