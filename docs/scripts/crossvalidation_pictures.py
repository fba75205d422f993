"""Take the map and the floor from the page of `co2phys crossvalidate` for the documentation.

Usage: python docs/scripts/crossvalidation_pictures.py OUT/report.html
"""

import base64
import re
import sys
from pathlib import Path

IMAGES = Path(__file__).parents[1] / "images"
NAMES = ("crossvalidation-map.png", "crossvalidation-floor.png")
"""Of the first pictures of the page, in its order."""


def main(page: Path) -> None:
    """Write the pictures, as they are on the page, to docs/images."""
    found = re.findall(r'data:image/png;base64,([^"]+)"', page.read_text(encoding="utf-8"))
    for name, content in zip(NAMES, found, strict=False):
        (IMAGES / name).write_bytes(base64.b64decode(content))


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(Path(sys.argv[1]))
