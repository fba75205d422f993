"""Write docs/results/bad-inputs.md from the cases that the tests run.

    python docs/scripts/bad_inputs.py

The cases and what is said to them are in tests/cli/bad_inputs; its test fails if the page is old.
"""

import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs/results/bad-inputs.md"

HEAD = """# Bad inputs

Every bad input that was tried with `co2phys data prepare`, and what the user then sees: one line
and an exit code, or, where the input can be made sense of, a store that is checked against that of
clean files. {count} inputs, of which {refused} are refused. Each row is a test
(`tests/cli/bad_inputs`), which demands these very words; `…` stands for those of a library. Files
that the machine must forbid, lose or run out of room for are imitated.

Exit code 3 is a fault of the data or of the place they go to, 2 one of the options. The clean files
are three days of CarbonTracker and twelve months of CMIP6 on small grids, on the real layouts.
"""


def page():
    """Return the page as text."""
    for folder in ("tests/products", "tests/cli/bad_inputs"):
        if str(ROOT / folder) not in sys.path:
            sys.path.insert(0, str(ROOT / folder))
    from all_cases import GROUPS

    cases = [case for group in GROUPS for case in group.cases]
    refused = sum(case.code > 0 for case in cases)
    parts = [HEAD.format(count=len(cases), refused=refused)]
    for group in GROUPS:
        parts.append(f"## {group.name}\n\nThe command, unless a row says otherwise:\n")
        parts.append(f"```sh\nco2phys {group.command}\n```\n")
        rows = "\n".join(row(case, group) for case in group.cases)
        parts.append(f"| input | what the user sees | exit code |\n|---|---|---|\n{rows}\n")
    return "\n".join(parts)


def row(case, group):
    """Return one line of the table."""
    title = case.title
    more = case.command.removeprefix(group.command).strip()
    if more and more not in title:
        shown = f"co2phys {case.command}" if more == case.command else more
        title += f" (`{shown}`)"
    seen = [code(line) for line in case.says] + [case.becomes] * bool(case.becomes)
    return f"| {title} | {'<br>'.join(seen)} | {case.code} |"


def code(line):
    """Return a line set as code, which may hold backticks itself."""
    return f"`` {line} ``" if "`" in line else f"`{line}`"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
