"""Which live processes use a file: found by device and inode, whatever the name."""

import mmap
import os
from collections.abc import Iterable
from pathlib import Path

import pytest

from harness.errors import HarnessError
from harness.state.mappings import Holder, holders
from tests.state.cached_files import as_nobody, make_file, mounted, overlaid, public_folder, user


def mappers(paths: Iterable[Path]) -> dict[Path, list[Holder]]:
    """Of the processes that hold each file, those that map it."""
    return {path: [each for each in found if each.maps] for path, found in holders(paths).of.items()}


def test_a_process_that_maps_a_file_is_named_and_only_while_it_lives(weights: Path) -> None:
    with user(weights, "maps") as process:
        assert mappers([weights]) == {weights: [Holder(process.pid, process.name, maps=True)]}
        assert str(mappers([weights])[weights][0]) == f"pid {process.pid} ({process.name})"
    assert mappers([weights]) == {weights: []}


def test_a_process_that_has_a_file_open_holds_it_but_does_not_map_it(weights: Path) -> None:
    with user(weights, "opens") as process:
        assert holders([weights]).of == {weights: [Holder(process.pid, process.name, maps=False)]}
        assert mappers([weights]) == {weights: []}


def test_this_process_is_called_so(weights: Path) -> None:
    with weights.open("rb") as file, mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ):
        (found,) = mappers([weights])[weights]
        assert (found.pid, str(found)) == (os.getpid(), "this process")


def test_who_maps_comes_before_who_has_it_open(weights: Path) -> None:
    with user(weights, "opens") as first, user(weights, "maps") as second, user(weights, "opens") as third:
        found = holders([weights]).of[weights]
    assert found[0].pid == second.pid
    assert [each.pid for each in found[1:]] == sorted((first.pid, third.pid))


def test_one_pass_tells_of_every_file(disk: Path) -> None:
    files = [make_file(disk / f"part-{number}", 4096) for number in range(3)]
    with user(files[0], "maps") as first, user(files[2], "opens") as second:
        found = holders(files).of
    assert {path: [each.pid for each in held] for path, held in found.items()} == {
        files[0]: [first.pid],
        files[1]: [],
        files[2]: [second.pid],
    }


@pytest.mark.parametrize("link", [os.link, os.symlink])
def test_a_process_that_uses_another_name_of_the_file_is_found(weights: Path, link) -> None:
    other = weights.with_name("other")
    link(weights, other)
    with user(other, "maps") as process:
        assert [each.pid for each in mappers([weights])[weights]] == [process.pid]
        assert [each.pid for each in mappers([other])[other]] == [process.pid]


def test_a_process_that_came_through_a_bind_mount_is_found(weights: Path, disk: Path) -> None:
    with mounted(disk / "seen", "--bind", str(disk)) as folder, user(folder / weights.name, "maps") as process:
        assert [each.pid for each in mappers([weights])[weights]] == [process.pid]


def test_a_process_that_maps_a_file_of_an_overlay_is_found(weights: Path, disk: Path) -> None:
    with overlaid(disk) as merged:
        seen = merged / weights.name
        with user(seen, "maps") as process:
            assert [each.pid for each in mappers([seen])[seen]] == [process.pid]


def test_a_file_of_the_same_inode_number_on_another_disk_is_another_file(weights: Path, disk: Path) -> None:
    with mounted(disk / "other disk", "-t", "tmpfs", "none") as folder:
        for number in range(3):
            make_file(folder / str(number), 4096)
        by_inode = {path.stat().st_ino: path for path in folder.iterdir()}
        there = next(iter(by_inode.values()))
        with user(there, "maps") as process:
            found = mappers([weights, *by_inode.values()])
            assert [path for path, held in found.items() if [each.pid for each in held] == [process.pid]] == [there]


def test_a_process_that_holds_a_file_which_was_replaced_does_not_hold_its_successor(weights: Path) -> None:
    with user(weights, "maps"):
        os.replace(make_file(weights.with_name("new")), weights)
        assert mappers([weights]) == {weights: []}


def test_a_process_that_may_not_be_looked_at_is_counted() -> None:
    with public_folder() as folder:
        path = make_file(folder / "weights", 4096)
        with user(path, "maps") as process:
            assert holders([path]).of[path] == [Holder(process.pid, process.name, maps=True)]

            def what_nobody_sees() -> list[int]:
                found = holders([path])
                return [len(found.of[path]), found.unseen]

            held, unseen = as_nobody(what_nobody_sees)
            assert held == 0
            assert unseen >= 2  # that process and this one


def test_a_file_that_is_not_there_is_named(disk: Path) -> None:
    with pytest.raises(HarnessError, match=f"{disk}/absent: No such file or directory"):
        holders([disk / "absent"])
