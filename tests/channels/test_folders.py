"""Folders of files on this machine, in memory and behind SFTP: whole files, safe names, and clear words when it goes wrong."""

from __future__ import annotations

import errno
import os
import resource
import signal
import threading
import warnings
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import pytest

from cloudsales_pipeline.channels import folders, mounts
from cloudsales_pipeline.channels.errors import (
    BodyTooLargeError,
    ChannelError,
    ChannelUnreachableError,
    FileMissingError,
    FolderError,
)
from cloudsales_pipeline.channels.folders import Folder, open_folder
from cloudsales_pipeline.errors import SettingsError
from tests.channels import sftp_server
from tests.channels.sftp_server import PASSWORD, USER

pytestmark = pytest.mark.timeout(30)


@pytest.fixture(params=["file", "memory", "sftp"])
def url(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The address of an empty folder of each sort."""
    if request.param == "sftp":
        with sftp_server.serving(tmp_path) as server:
            server.make_known(tmp_path, monkeypatch)
            yield server.url
    else:
        yield tmp_path.as_uri() if request.param == "file" else f"memory://{uuid4().hex}/outbox"


@pytest.fixture
def folder(url: str) -> Iterator[Folder]:
    opened = open_folder(url, channel="cluj")
    yield opened
    opened.close()


def names(folder: Folder) -> list[str]:
    return [entry.name for entry in folder.entries()]


# ---------------------------------------------------------------- files in and out


def test_a_file_comes_back_as_it_was_written_with_its_size_and_time(folder: Folder) -> None:
    folder.write_complete("a.csv", b"sku\r\n\xff\x00")
    assert folder.read_bytes("a.csv", 100) == b"sku\r\n\xff\x00"
    [entry] = folder.entries()
    assert (entry.name, entry.size, entry.modified_at.utcoffset()) == ("a.csv", 7, timedelta(0))
    assert folder.entry("a.csv") == entry
    assert (folder.exists("a.csv"), folder.exists("b.csv")) == (True, False)


def test_an_empty_file_is_a_file(folder: Folder) -> None:
    folder.write_complete("a.ack", b"")
    assert (folder.read_bytes("a.ack", 10), folder.exists("a.ack")) == (b"", True)


def test_f30_what_is_still_being_written_or_hidden_is_not_listed_and_the_rest_is_sorted(folder: Folder) -> None:
    for name in ("b.csv", "a.csv", ".hidden", "x.tmp", "x.csv.PART", "x.filepart", "x.crdownload", "Z.csv"):
        folder.write_complete(name, b"1")
    archive = folder.subfolder("archive")
    archive.make()
    archive.write_complete("old.csv", b"1")
    assert names(folder) == ["Z.csv", "a.csv", "b.csv"]
    assert names(archive) == ["old.csv"]


def test_not_more_than_the_cap_is_read(folder: Folder) -> None:
    folder.write_complete("big.csv", b"x" * 1_001)
    with pytest.raises(BodyTooLargeError, match=r"big\.csv is larger than 1,000 bytes"):
        folder.read_bytes("big.csv", 1_000)
    assert len(folder.read_bytes("big.csv", 1_001)) == 1_001


def test_a_file_that_is_not_there_is_told_as_that(folder: Folder) -> None:
    folder.write_complete("other.csv", b"1")
    with pytest.raises(FileMissingError, match=r"cluj: could not read the file no\.csv"):
        folder.read_bytes("no.csv", 10)
    with pytest.raises(FileMissingError):
        folder.move("no.csv", "archive")
    assert names(folder.subfolder("archive")) == []
    folder.remove("no.csv")
    assert folder.entry("no.csv") is None
    assert names(folder) == ["other.csv"]


def test_a_name_is_claimed_by_one_alone(folder: Folder) -> None:
    assert [folder.claim("1.csv"), folder.claim("1.csv"), folder.claim("2.csv")] == [True, False, True]
    folder.write_complete("1.csv", b"mine")
    assert not folder.claim("1.csv")
    assert folder.read_bytes("1.csv", 10) == b"mine"
    folder.remove("1.csv")
    assert folder.claim("1.csv")


def test_moving_never_overwrites_what_is_in_the_archive(folder: Folder) -> None:
    taken = []
    for content in (b"first", b"second", b"third"):
        folder.write_complete("sales.csv", content)
        taken.append(folder.move("sales.csv", "archive/2026-11"))
    archive = folder.subfolder("archive/2026-11")
    assert taken == ["sales.csv", "sales-2.csv", "sales-3.csv"]
    assert [archive.read_bytes(name, 10) for name in taken] == [b"first", b"second", b"third"]
    assert names(folder) == []


def test_the_longest_name_gets_its_number_too(folder: Folder) -> None:
    name = "ș" * 125 + ".csv"
    moved = []
    for _ in range(2):
        folder.write_complete(name, b"1")
        moved.append(folder.move(name, "archive"))
    assert moved == [name, "ș" * 124 + "-2.csv"]


# ---------------------------------------------------------------- names


@pytest.mark.parametrize("name", ["../x", "..", ".", "", "/etc/passwd", "a/../b", "a\\b", "a\x00b", "a\nb", "\udc80", "x" * 256])
def test_i48_a_name_that_leads_elsewhere_is_refused_everywhere(folder: Folder, name: str) -> None:
    folder.write_complete("good.csv", b"1")
    for use in (
        lambda: folder.read_bytes(name, 10),
        lambda: folder.write_complete(name, b"1"),
        lambda: folder.claim(name),
        lambda: folder.move(name, "archive"),
        lambda: folder.move("good.csv", name),
        lambda: folder.remove(name),
        lambda: folder.exists(name),
    ):
        with pytest.raises(FolderError, match="can't be used"):
            use()
    assert names(folder) == ["good.csv"]


def test_i48_a_listing_that_names_files_outside_gives_none_of_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    folder = open_folder(str(tmp_path), channel="cluj")
    folder.write_complete("good.csv", b"1")
    files = folder._mount.fs
    [good] = files.ls(str(tmp_path), detail=True)
    evil = ["../evil.csv", "..", "a\x1b[2J.csv", "sub/evil.csv", "a\\..\\b.csv"]
    listing = [good, *({**good, "name": f"{tmp_path}/{name}"} for name in evil), {**good, "name": "/etc/passwd"}]
    monkeypatch.setattr(files, "ls", lambda path, detail: listing)
    assert names(folder) == ["good.csv"]
    assert "cluj: 6 files have names that can't be used" in caplog.text


def test_i48_a_link_in_an_inbox_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret")
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "sales.csv").symlink_to(tmp_path / "secret")
    folder = open_folder(str(tmp_path / "in"), channel="cluj")
    assert folder.entries() == ()
    with pytest.raises(FolderError):
        folder.read_bytes("sales.csv", 100)


# ---------------------------------------------------------------- never half


def test_f29_a_reader_never_sees_half_a_file_while_many_are_written(folder: Folder, url: str) -> None:
    size, seen, stop = 40_000, set(), threading.Event()

    def write() -> None:
        try:
            for number in range(30):
                folder.write_complete(f"{number:03}.csv", b"x" * size)
                folder.write_complete("same.csv", b"x" * size)
        finally:
            stop.set()

    writer = threading.Thread(target=write)
    reader = open_folder(url, channel="cluj")  # another program
    writer.start()
    while not stop.is_set():
        seen |= {entry.size for entry in reader.entries()}
    writer.join()
    reader.close()
    assert seen <= {size}
    assert len(names(folder)) == 31


def test_f29_on_a_full_disk_nothing_half_is_left_and_the_error_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = open_folder(tmp_path.as_uri(), channel="cluj")
    folder.write_complete("a.csv", b"before")

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(folders.os, "fsync", full)
    with pytest.raises(FolderError, match=r"no space is left.*Next: make room there"):
        folder.write_complete("a.csv", b"after")
    assert [path.name for path in tmp_path.iterdir()] == ["a.csv"]
    assert folder.read_bytes("a.csv", 10) == b"before"


def test_f29_where_no_more_can_be_written_nothing_half_is_left(tmp_path: Path) -> None:
    """In a process of its own, whose files may have 1,000 bytes."""

    def work() -> str:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1_000, 1_000))
        try:
            open_folder(str(tmp_path), channel="cluj").write_complete("a.csv", b"x" * 2_000)
        except FolderError as error:
            return str(error)
        return "written"

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # fork with threads: the child touches none of them
        pid = os.fork()
    if pid == 0:
        os._exit(0 if "no space is left" in work() else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert list(tmp_path.iterdir()) == []


def test_a_file_is_readable_for_the_store_as_the_umask_says(tmp_path: Path) -> None:
    before = os.umask(0o022)
    try:
        open_folder(str(tmp_path), channel="cluj").write_complete("a.csv", b"1")
    finally:
        os.umask(before)
    assert (tmp_path / "a.csv").stat().st_mode & 0o777 == 0o644


# ---------------------------------------------------------------- addresses


def test_a_folder_that_is_not_there_is_an_error_on_a_disk_and_empty_where_there_are_no_folders(tmp_path: Path) -> None:
    with pytest.raises(FileMissingError, match=r"cluj: could not list the folder .*Next: look whether .* is there, and mounted"):
        open_folder(str(tmp_path / "unmounted"), channel="cluj").entries()
    assert open_folder(f"memory://{uuid4().hex}", channel="cluj").entries() == ()


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("ftp://u:s3cret@host/x", "begins with ftp://"),
        ("stock/out", "is not an absolute path"),
        ("file://cluj/stock", "is not an absolute path"),
        ("", "is not an absolute path"),
        ("sftp:///x", "names no server"),
        ("sftp://u:s3cret@host:port/x", "is no address"),
        ("s3://key:s3cret@bucket/x", "has a user"),
        ("/srv/a/../b", "leads upwards"),
    ],
)
def test_an_address_that_can_not_be_used_is_told_without_repeating_it(url: str, why: str) -> None:
    with pytest.raises(SettingsError, match=rf"channels\.cluj: the folder's address {why}.*Next: ") as told:
        open_folder(url, channel="cluj")
    assert "s3cret" not in str(told.value)


@pytest.mark.parametrize(("url", "extra"), [("s3://bucket/x", "s3"), ("sftp://host/x", "sftp")])
def test_a_missing_extra_is_named_with_its_command(url: str, extra: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mounts, "find_spec", lambda name: None)
    with pytest.raises(SettingsError, match=rf"pip install 'cloudsales-pipeline\[{extra}\]'"):
        open_folder(url, channel="cluj")


# ---------------------------------------------------------------- SFTP


@pytest.fixture
def server(tmp_path: Path) -> Iterator[sftp_server.Server]:
    with sftp_server.serving(tmp_path) as running:
        yield running


def failing(url: str, password: str | None = None) -> ChannelError:
    """What using it says, which is never a password."""
    with pytest.raises(ChannelError) as told:
        open_folder(url, channel="cluj", password=password).entries()
    assert not {secret for secret in (PASSWORD, "wr0ng", f"{USER}:") if secret in f"{told.value} {vars(told.value)}"}
    return told.value


def test_a_server_whose_key_nobody_knows_is_not_trusted(
    server: sftp_server.Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    error = failing(server.url)
    assert "UnknownHostKeyError" in error.message
    assert "known_hosts" in error.next_step


def test_a_wrong_password_says_what_to_check(server: sftp_server.Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    server.make_known(tmp_path, monkeypatch)
    assert failing(server.url.replace(PASSWORD, "wr0ng")).next_step == "check the user, and its SSH key or password"
    assert failing(server.url, password="wr0ng").next_step == "check the user, and its SSH key or password"


def test_a_password_from_elsewhere_needs_none_in_the_address(
    server: sftp_server.Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.make_known(tmp_path, monkeypatch)
    folder = open_folder(server.url.replace(f":{PASSWORD}@", "@"), channel="cluj", password=PASSWORD)
    assert folder.entries() == ()
    folder.close()


def test_a_server_that_nobody_answers_for_is_unreachable_and_named() -> None:
    error = failing(f"sftp://{USER}:{PASSWORD}@127.0.0.1:1/outbox")
    assert isinstance(error, ChannelUnreachableError)
    assert "sftp://127.0.0.1:1/outbox" in error.message


def test_after_the_server_was_restarted_the_next_use_connects_anew(
    server: sftp_server.Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.make_known(tmp_path, monkeypatch)
    folder = open_folder(server.url, channel="cluj")
    folder.write_complete("a.csv", b"1")
    server.cut()
    with pytest.raises(ChannelUnreachableError):
        folder.entries()
    assert names(folder) == ["a.csv"]
    folder.close()
