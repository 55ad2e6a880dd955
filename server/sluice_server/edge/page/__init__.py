"""The status page on the management port: one page for people, read-only.

`routes` serves it, `document` has what it shows, `assets` is the page itself: HTML, CSS
and JavaScript as the browser takes them, without a build. What the figures mean is the
contract's business, how they look is the page's.
"""
