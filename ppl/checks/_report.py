"""What the model check tells: findings, and the report that holds them."""

from __future__ import annotations

import os
import re
import traceback
from dataclasses import dataclass
from typing import Any

from ppl import _html
from ppl._errors import PPLError
from ppl._source import is_users

_PLACE = re.compile(r" ?\(?([\w.<>-]+\.py:\d+)\)?")


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong with a model, or that is worth knowing of it.

    Attributes:
        kind: A word for it: the class of an error, or the name of an advice.
        rule: What was found, and the rule that it breaks.
        site: The site that it concerns, or None.
        line: File and line of the statement, or nothing.
        value: The offending value, or None.
        remedy: What to do about it.
        error: The error that a run raises; None for advice.
    """

    kind: str
    rule: str
    site: str | None = None
    line: str = ""
    value: Any = None
    remedy: str = ""
    error: PPLError | None = None

    def __str__(self) -> str:
        line = f" ({self.line})" if self.line and self.line not in self.rule else ""
        if self.site is None:
            return f"{self.rule.rstrip('.')}{line}. {self.remedy}".rstrip()
        return f"site '{self.site}'{line}: {self.rule} {self.remedy}".rstrip()


@dataclass(frozen=True)
class Report:
    """The findings of a model check; printed, it reads as text, in notebooks as HTML.

    Attributes:
        errors: What must be mended before the model can be run.
        advice: What may go wrong, with the remedy.
        skipped: Checks that could not be done, and why.
    """

    errors: tuple[Finding, ...] = ()
    advice: tuple[Finding, ...] = ()
    skipped: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether there is no error; there may be advice."""
        return not self.errors

    def raise_if_wrong(self) -> None:
        """Raise the first error, if there is one.

        Raises:
            PPLError: The error that a run would raise.
        """
        for finding in self.errors:
            if finding.error is not None:
                raise finding.error

    @property
    def title(self) -> str:
        """How many errors and how much advice there is."""
        if not (self.errors or self.advice):
            return "Nothing to say: no error, no advice."
        count = len(self.errors)
        errors = f"{count or 'No'} error{'' if count == 1 else 's'}"
        count = len(self.advice)
        pieces = f"{count} piece{'' if count == 1 else 's'} of" if count else "no"
        return f"{errors}, {pieces} advice."

    def __str__(self) -> str:
        parts = [self.title]
        for name, findings in (("Error", self.errors), ("Advice", self.advice)):
            for finding in findings:
                parts.append(f"{name}, {finding.kind}: {finding}")
        return "\n\n".join(parts + [f"Not checked: {s}" for s in self.skipped])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        parts = [_html.title(self.title)]
        parts += [_html.notice(f"Error. {f}") for f in self.errors]
        parts += [_html.notice(str(f)) for f in self.advice]
        parts += [_html.muted(f"Not checked: {s}") for s in self.skipped]
        return _html.block(parts)


def of_error(error: PPLError, lines: dict[str, str], home: str = "") -> Finding:
    """The finding for an error.

    Args:
        error: The error.
        lines: Of the sites by name.
        home: The line to tell where nothing else does: that of the model.
    """
    site = error.site
    text = str(error)
    rule = text.removeprefix(f"site '{site}': ").removesuffix(error.hint).rstrip()
    place = _PLACE.search(rule)
    line = place[1] if place else lines.get(site or "") or _line_of(error) or home
    return Finding(
        type(error).__name__, rule, site, line, error.value, error.hint, error
    )


def _line_of(error: PPLError) -> str:
    """File and line of the innermost frame outside of JAX and of us."""
    frames = traceback.extract_tb(error.__traceback__)
    for frame in reversed(frames):
        if is_users(frame.filename):
            return f"{os.path.basename(frame.filename)}:{frame.lineno}"
    return ""


def of_warning(kind: str, text: str, lines: dict[str, str]) -> Finding:
    """The finding for a warning of the check that comes before every run."""
    named = re.match(r"site '([^']*)'(?:: | )", text)
    site = named[1] if named else None
    rule = text[named.end() :] if named and "': " in named[0] else text
    return Finding(kind, rule, site, lines.get(site or "", ""))
