"""How the page looks: its theme, its style sheet, and the few lines of script that gradio's parts need.

Nothing is fetched from elsewhere: the fonts are those of the visitor's own system.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import gradio

# The colours of the boxes are those of the picture that --analyze draws; orange and blue differ for
# colour-blind eyes too.
_EDIT, _KEEP = "#f08c14", "#4b9fe1"

KEEP_PAINT = (45, 125, 210)
"""Colour of the brush that protects, RGB …"""
EDIT_PAINT = (240, 120, 20)
"""… and of the one that asks for an edit."""

_SYSTEM_FONTS = ("ui-sans-serif", "system-ui", "-apple-system", "Segoe UI", "Inter", "Roboto", "Arial", "sans-serif")
_SYSTEM_MONO = ("ui-monospace", "SFMono-Regular", "Menlo", "Consolas", "monospace")


def make_theme() -> gradio.themes.Base:
    """Return the theme: neutral greys, so that nothing tints the eye that judges a photo, and one ink."""
    import gradio as gr

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
        checkbox_background_color_selected_dark="#63635f",
        checkbox_border_color_selected="#1c1c1b",
        checkbox_border_color_focus="#1c1c1b",
        input_background_fill="#f7f7f5",
        input_background_fill_dark="#262625",
    )


CSS = (
    f"""
:root {{ --edit: {_EDIT}; --keep: {_KEEP}; }}
"""
    + """
.gradio-container { max-width: 1240px !important; margin: 0 auto !important; padding: 26px 28px 40px !important; }
.gradio-container main, .gradio-container .wrap, .gradio-container .contain { padding: 0 !important; gap: 0; }
.gradio-container .html-container, .gradio-container .block:has(> .html-container) { padding: 0 !important; }
.gradio-container .column { gap: 14px; }
footer { display: none !important; }
*:focus-visible { outline: 3px solid var(--keep) !important; outline-offset: 2px; }
@media (prefers-reduced-motion: reduce) { * { transition: none !important; animation: none !important; } }

/* head */
.top { display: flex; align-items: baseline; gap: 18px; flex-wrap: wrap; margin-bottom: 16px; }
.top h1 { font-size: 23px; font-weight: 650; letter-spacing: -.015em; margin: 0; }
.top p { margin: 0; color: var(--body-text-color-subdued); font-size: 14.5px; }

/* the empty page */
#start { gap: 30px !important; max-width: 860px; margin: 3vh auto 0; width: 100%; }
#drop { border: 1.5px dashed #b9b9b4; border-radius: 18px; background: var(--background-fill-primary);
  min-height: 300px; transition: border-color .15s, background .15s; overflow: hidden; }
#drop:hover, #drop:focus-within, .dropping #drop { border-color: var(--body-text-color); }
#drop .wrap { visibility: hidden; }
#drop > button, #drop button.center { border: 0; min-height: 300px; width: 100%; position: relative; }
#drop button.center::before, #drop button.center::after { position: absolute; left: 24px; right: 24px; text-align: center; }
#drop button.center::before { content: "Drop photos here, or click to choose"; top: 116px; font-size: 21px;
  font-weight: 600; letter-spacing: -.01em; color: var(--body-text-color); }
#drop button.center::after { content: "JPEG, PNG, WebP, TIFF or BMP, up to 100 MB each"; top: 154px; font-size: 14.5px;
  color: var(--body-text-color-subdued); }
#drop label[data-testid="block-label"] { display: none; }
.samples h2 { font-size: 14.5px; font-weight: 500; color: var(--body-text-color-subdued); margin: 0 0 12px; }
.samples ul { list-style: none; display: flex; justify-content: space-between; gap: 10px; padding: 0; margin: 0; flex-wrap: wrap; }
.samples button { padding: 0; border: 0; background: none; border-radius: 12px; overflow: hidden; cursor: pointer;
  display: block; line-height: 0; transition: transform .15s; }
.samples button:hover { transform: translateY(-2px); }
.samples img { height: 113px; width: auto; max-width: 100%; object-fit: cover; }

/* the photos that are open */
#bar { align-items: center; margin-bottom: 14px; gap: 12px; flex-wrap: nowrap; }
#bar > *:first-child { flex: 1 1 auto; min-width: 0; }
#more { flex: 0 0 auto; min-width: 0; width: auto; }
.photos { display: flex; gap: 6px; overflow-x: auto; padding: 3px; }
.photos button, .photos span { border: 0; background: none; padding: 7px 13px; border-radius: 9px; font-size: 14.5px;
  white-space: nowrap; color: var(--body-text-color-subdued); }
.photos span { color: var(--body-text-color); font-weight: 600; padding-left: 0; }
.photos button { cursor: pointer; }
.photos button[aria-pressed=true] { background: var(--background-fill-primary); color: var(--body-text-color);
  font-weight: 600; }

/* the desk: a stage, and a panel beside it */
#desk { gap: 22px; align-items: flex-start; }
#stage { position: sticky; top: 14px; }
#stage, #panel { background: var(--background-fill-primary); border-radius: 18px; padding: 16px 18px 18px; }
#stage .tabitem, #stage .tab-container { border: 0; padding: 0; }
#stage .block, #panel .block { background: transparent; }
#panel { gap: 14px !important; padding: 18px 20px 20px; }
#stage button[role=tab] { color: var(--body-text-color-subdued); font-size: 14.5px; }
#stage button[role=tab].selected { color: var(--body-text-color); font-weight: 600; }
#stage button[role=tab].selected::after { background: var(--body-text-color); }
.frame { margin: 0; position: relative; display: block; width: fit-content; max-width: 100%; margin-inline: auto;
  line-height: 0; border-radius: 12px; overflow: hidden; }
.frame img { display: block; max-width: 100%; max-height: min(68vh, 700px); width: auto; height: auto; }
.mark { position: absolute; border: 2px solid #fff; border-radius: 10px; background: none; padding: 0; cursor: pointer;
  box-shadow: 0 0 0 1px rgba(0,0,0,.45), inset 0 0 0 1px rgba(0,0,0,.35); border-color: var(--keep); }
.mark.edit { border-color: var(--edit); }
.mark:hover, .mark[aria-pressed=true] { border-width: 3px; background: rgba(255,255,255,.10); }
.mark b { position: absolute; left: -2px; top: -2px; min-width: 24px; padding: 0 6px; font: 650 14px/24px inherit;
  font-size: 14px; line-height: 24px; text-align: center; border-radius: 9px 0 9px 0; color: #111;
  background: var(--keep); }
.mark.edit b { background: var(--edit); }
.hint { color: var(--body-text-color-subdued); font-size: 14px; line-height: 1.5; margin: 12px 2px 0; }
.kind { max-width: 460px; margin: 0; }
.kind h2 { font-size: 18px; font-weight: 650; margin: 0 0 8px; letter-spacing: -.01em; }
.kind p { margin: 0 0 8px; color: var(--body-text-color-subdued); line-height: 1.55; font-size: 15px; }
.compare { border-radius: 12px; overflow: hidden; --color-accent: #ffffff; }

/* faces in the panel */
.cards { display: flex; flex-direction: column; gap: 4px; max-height: 250px; overflow-y: auto; margin: -6px -8px 0;
  padding: 3px; }
.cards button { display: flex; gap: 12px; align-items: center; text-align: left; padding: 7px 8px; border: 0;
  border-radius: 12px; background: none; cursor: pointer; color: inherit; width: 100%; font-weight: 400; }
.cards button:hover { background: var(--input-background-fill); }
.cards button[aria-pressed=true] { background: var(--button-secondary-background-fill); }
.cards img { width: 46px; height: 46px; border-radius: 50%; object-fit: cover; flex: none; }
.cards span { min-width: 0; font-size: 14.5px; line-height: 1.35; }
.cards span b { font-weight: 600; }
.cards small { display: block; color: var(--body-text-color-subdued); font-size: 13.5px; }
.cards i { margin-left: auto; flex: none; width: 9px; height: 9px; border-radius: 50%; background: var(--keep); }
.cards i.edit { background: var(--edit); }
#wishes { gap: 14px; border-top: 1px solid var(--border-color-primary); padding-top: 16px; background: none;
  border-radius: 0; }
#wishes > .form, #wishes .form { border: 0; gap: 14px; background: none; box-shadow: none; }
#wishes .block { padding: 0 !important; border: 0; }
#wishes .info, #wishes [data-testid="block-info"] + div { font-size: 13.5px; }
#wishes input[type=number], #wishes .reset-button, #wishes .min_value, #wishes .max_value { display: none; }
#make { font-size: 16px; min-height: 48px; border-radius: 12px; }
#download { border-radius: 12px; min-height: 46px; }
.bar { height: 6px; border-radius: 3px; background: var(--button-secondary-background-fill); overflow: hidden; }
.bar div { height: 100%; background: var(--body-text-color); border-radius: 3px; transition: width .2s; }
.doing { font-size: 14px; color: var(--body-text-color-subdued); margin: 0 0 8px; }
.said { font-size: 14.5px; line-height: 1.55; margin: 0; }
.said p { margin: 0 0 6px; }
.said p:first-child { font-weight: 600; }
#advanced { border: 0; border-top: 1px solid var(--border-color-primary); border-radius: 0; padding: 8px 0 0;
  background: none; }
#advanced .form, #advanced .block { border: 0; box-shadow: none; background: none; padding-left: 0; padding-right: 0; }
#advanced .label-wrap { font-size: 14.5px; color: var(--body-text-color-subdued); }
.said details { color: var(--body-text-color-subdued); }
.said summary { cursor: pointer; padding: 4px 0; }
.state { font-size: 13.5px; line-height: 1.5; color: var(--body-text-color-subdued); margin: 0; }
.state b { color: var(--body-text-color); font-weight: 600; }

@media (max-width: 760px) {
  .gradio-container { padding: 18px 14px 30px !important; }
  .top { margin-bottom: 14px; gap: 4px 14px; }
  #start { margin-top: 0; gap: 22px; }
  #drop, #drop > button, #drop button.center { min-height: 220px; }
  #drop button.center::before { top: 78px; font-size: 19px; }
  #drop button.center::after { top: 114px; }
  .samples img { height: 84px; }
  #desk { gap: 12px; }
  #stage { padding: 10px; position: static; }
  .frame img { max-height: 52vh; }
}
"""
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

HEAD = """
<meta name="color-scheme" content="light dark">
<script>
// gradio's before/after slider is made for the mouse alone: give it a name, arrow keys and alternative texts.
const furnish = () => document.querySelectorAll('.compare').forEach(part => {
  part.querySelectorAll('img').forEach((img, n) => { if (!img.alt) img.alt = n ? 'after' : 'before'; });
  const handle = part.querySelector('.slider-wrap .outer, .outer');
  if (!handle || handle.dataset.keys) return;
  handle.dataset.keys = 'yes';
  handle.tabIndex = 0;
  handle.setAttribute('role', 'slider');
  handle.setAttribute('aria-label', 'Where before ends and after begins');
  handle.setAttribute('aria-valuemin', 0);
  handle.setAttribute('aria-valuemax', 100);
  handle.setAttribute('aria-valuenow', 50);
  handle.addEventListener('keydown', event => {
    const step = {ArrowLeft: -0.05, ArrowRight: 0.05, Home: -1, End: 1}[event.key];
    if (!step) return;
    event.preventDefault();
    const frame = handle.parentElement.getBoundingClientRect(), own = handle.getBoundingClientRect();
    const from = own.left + own.width / 2, y = own.top + own.height / 2;
    const to = Math.min(frame.right - 1, Math.max(frame.left + 1, from + step * frame.width));
    const fire = (target, kind, x) => target.dispatchEvent(
      new MouseEvent(kind, {bubbles: true, cancelable: true, view: window, clientX: x, clientY: y}));
    fire(handle, 'mousedown', from); fire(window, 'mousemove', to); fire(window, 'mouseup', to);
    handle.setAttribute('aria-valuenow', Math.round(100 * (to - frame.left) / frame.width));
  });
});
new MutationObserver(furnish).observe(document.documentElement, {childList: true, subtree: true});
// A photo may be dropped anywhere on the page, or pasted.
const take = (event, files) => {
  const images = [...files].filter(file => file.type.startsWith('image/') || file.type === '');
  const input = document.querySelector('#drop input[type=file], #more input[type=file], input#more');
  if (!images.length || !input) return;
  event.preventDefault();
  const list = new DataTransfer();
  images.forEach(file => list.items.add(file));
  input.files = list.files;
  input.dispatchEvent(new Event('change', {bubbles: true}));
};
const isOver = event => event.target.closest && event.target.closest('#drop, #brush');
window.addEventListener('dragover', event => { if (!isOver(event)) event.preventDefault(); });
window.addEventListener('drop', event => { if (!isOver(event)) { event.preventDefault(); take(event, event.dataTransfer.files); } });
window.addEventListener('paste', event => { if (event.clipboardData) take(event, event.clipboardData.files); });
</script>
"""
