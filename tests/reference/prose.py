"""Sets a comment of the contract as Markdown: its names become links, its literals code."""

import re
from collections.abc import Mapping

_SPECIAL = re.compile(
    r'"(?P<literal>[^"]+)"'
    r"|(?P<pattern>\[[^\]\s]+\](?:\{[\d,]+\})?)"  # of a regular expression; intervals have spaces
    r"|(?P<dotted>[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)+)"
    r"|(?P<name>[A-Z][A-Za-z]+)\b"
    r"|(?P<field>[a-z]\w*_\w+)"
    r"|(?P<markup>[|<*])"
)


class Prose:
    """Knows what can be linked to."""

    def __init__(self, links: Mapping[str, str]) -> None:
        """Keep the anchors of the page by name of a type or an RPC."""
        self._links = links

    def paragraphs(self, comment: str, own: str) -> str:
        """Return a comment with its paragraphs; `own`, whose comment it is, is not linked to."""
        return "\n\n".join(self.line(text, own) for text in comment.split("\n\n"))

    def line(self, comment: str, own: str) -> str:
        """Return a comment on one line."""
        text = " ".join(comment.split())
        return _SPECIAL.sub(lambda found: self._set(found, own), text)

    def link(self, name: str) -> str:
        """Return a link to a type or an RPC."""
        return f"[{name}]({self._links[name]})"

    def _set(self, found: re.Match[str], own: str) -> str:
        written = found[0]
        match found.lastgroup:
            case "literal":
                return f"`{found['literal']}`"
            case "dotted" if (owner := written.split(".")[0]) in self._links and owner != own:
                return f"[`{written}`]({self._links[owner]})"
            case "name" if self._is_name(found, own):
                return self.link(written)
            case "name":
                return written
            case "markup":
                return f"\\{written}"
            case _:
                return f"`{written}`"

    def _is_name(self, found: re.Match[str], own: str) -> bool:
        """Tell a name from a word: words have no second capital, and one only at a start."""
        written = found[0]
        if written not in self._links or written == own:
            return False
        starts = found.start() == 0 or found.string[: found.start()].endswith(". ")
        return not starts or not written.istitle()
