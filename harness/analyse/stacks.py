"""The critical path by stack: which role spent how long in which import or span, inside which others."""

from dataclasses import dataclass, field

from harness.analyse.partition import Partition
from harness.analyse.phases import ROLES, UNATTRIBUTED


@dataclass(slots=True)
class Frame:
    """A role, an import, a span, or time that no hook explains. Times in ns."""

    name: str
    role: str
    ns: int = 0
    own_ns: dict[str, int] = field(default_factory=dict)  # leaf → time in this frame and in none inside it
    inside: dict[str, "Frame"] = field(default_factory=dict)  # in order of first appearance

    def enter(self, name: str, role: str, ns: int) -> "Frame":
        """The frame ``name`` inside this one, ``ns`` longer than before."""
        frame = self.inside.setdefault(name, Frame(name, role))
        frame.ns += ns
        return frame


def stacks(parts: Partition) -> Frame:
    """The tree of frames: below its root one per role, below those what was open, outermost first.

    Processes of one role are one, and so are frames with the same stack. Every frame is as long as its own time and
    the frames inside it; the root is as long as the start.
    """
    root = Frame("start", "")
    found = {segment.role for segment in parts.segments}
    for role in (*ROLES, *sorted(found.difference(ROLES))):
        if role in found:
            root.enter(role, role, 0)
    for segment in parts.segments:
        ns = segment.end_ns - segment.begin_ns
        root.ns += ns
        frame = root.enter(segment.role, segment.role, ns)
        for name in segment.path:
            frame = frame.enter(name, segment.role, ns)
        if segment.leaf == UNATTRIBUTED:
            frame = frame.enter(UNATTRIBUTED, segment.role, ns)
        frame.own_ns[segment.leaf] = frame.own_ns.get(segment.leaf, 0) + ns
    return root
