"""How a connector's state looks: shape and colour and word, safe for colour-blind eyes (shape alone is enough)."""

from collections.abc import Iterable, Mapping

from markupsafe import Markup

from dashboards.common.texts import t

# Worst first: the order in which states are listed, counted and drawn.
STATES = (
    "faulted",
    "offline",
    "unavailable",
    "suspended",
    "charging",
    "preparing",
    "finishing",
    "reserved",
    "available",
    "unknown",
)
COLOURS: Mapping[str, str] = {
    "available": "#1B7F5F",
    "charging": "#7CC8FF",
    "preparing": "#7CC8FF",
    "suspended": "#7CC8FF",
    "finishing": "#7CC8FF",
    "reserved": "#F0C419",
    "unavailable": "#F0C419",
    "offline": "#D9D9D9",
    "faulted": "#FF5A1F",
    "unknown": "#D9D9D9",
}
_DARK = "#17211E"
_DISC = '<circle cx="8" cy="8" r="6.6" fill="{c}" stroke="{d}" stroke-width=".9"/>'
_RING = (
    '<circle cx="8" cy="8" r="5.6" fill="none" stroke="{c}" stroke-width="2.6"/>'
    '<circle cx="8" cy="8" r="7" fill="none" stroke="{d}" stroke-width=".7"/>'
)
_DIAMOND = '<path d="M8 .9 15.1 8 8 15.1.9 8Z" fill="{c}" stroke="{d}" stroke-width=".9"/>'
_SQUARE = '<rect x="1.8" y="1.8" width="12.4" height="12.4" fill="{c}" stroke="{d}" stroke-width=".9"/>'
_SHAPES: Mapping[str, str] = {
    "available": _DISC,
    "charging": _DISC + '<path d="M9.1 2.6 4.6 9h2.7l-.6 4.4L11.4 7H8.6Z" fill="{d}"/>',
    "preparing": _RING + '<circle cx="8" cy="8" r="2" fill="{c}" stroke="{d}" stroke-width=".7"/>',
    "suspended": _DISC + '<path d="M5.4 5h1.9v6H5.4zM8.8 5h1.9v6H8.8z" fill="{d}"/>',
    "finishing": _DISC + '<path d="m4.8 8.2 2.3 2.3 4.2-4.6" fill="none" stroke="{d}" stroke-width="1.7"/>',
    "reserved": _DIAMOND + '<circle cx="8" cy="8" r="2.2" fill="{d}"/>',
    "unavailable": _DIAMOND,
    "offline": _SQUARE + '<path d="M1.8 14.2 14.2 1.8" stroke="{d}" stroke-width="1.6"/>',
    "faulted": '<path d="M8 .9 15.4 14.6H.6Z" fill="{c}" stroke="{d}" stroke-width=".9"/>'
    '<path d="M7.2 5.6h1.6v4.6H7.2zM7.2 11.3h1.6v1.6H7.2z" fill="{d}"/>',
    "unknown": _SQUARE + '<path d="M7.2 6h1.6v1.6H7.2zM7.2 8.6h1.6v1.6H7.2z" fill="{d}"/>',
}


def display(state: str | None) -> str:
    """One of STATES; what we do not know is `unknown`."""
    return state if state and state in _SHAPES else "unknown"


def svg(state: str | None) -> str:
    """The bare drawing of a state in a 16 by 16 box."""
    name = display(state)
    return _SHAPES[name].format(c=COLOURS[name], d=_DARK)


def shape(state: str | None, size: int = 16) -> Markup:
    """The drawing of a state, hidden from screen readers because its word stands beside it."""
    return Markup('<svg class="shape" width="{0}" height="{0}" viewBox="0 0 16 16" aria-hidden="true">').format(
        size
    ) + Markup(svg(state) + "</svg>")


def word(state: str | None) -> str:
    return t(f"state.{display(state)}")


def badge(state: str | None) -> Markup:
    """Shape and word."""
    return Markup('<span class="badge">{}<span>{}</span></span>').format(shape(state), word(state))


def counts(by_state: Mapping[str, int], only: Iterable[str] = STATES) -> Markup:
    """`▲ 1  ■ 2  ● 14`, worst first, words in the tooltip and for screen readers."""
    parts = [
        Markup('<span class="count" title="{0}: {1}">{2}<b>{1}</b><span class="sr">{0}</span></span>').format(
            word(state), by_state[state], shape(state, 14)
        )
        for state in only
        if by_state.get(state)
    ]
    return Markup('<span class="counts">{}</span>').format(Markup().join(parts))
