"""Files on the vehicle: listed, fetched and written over links of every kind, from servers good and bad."""

import errno
import random
import time

import pytest
from pymavlink.dialects.v20 import ardupilotmega as mavlink

from flight.errors import (
    CardFullError,
    FileAnswerError,
    FileChangedError,
    FileError,
    FileMissingError,
    FilePresentError,
    FileProtectedError,
    FileServerBusyError,
    FileServerSilentError,
    NoFileServerError,
)
from flight.ftp import read as ftp_read
from flight.ftp.files import Entry, open_files
from flight.links.profiles import LinkProfile

from .ftp_double import ACK, EOF, ERRNO, NAK, FileDouble, Weather


def content(size, seed=0):
    return random.Random(seed).randbytes(size)


@pytest.fixture
def double(scripted):
    """A vehicle with a file server; gives the server, whose `vehicle` it is."""

    def make(**settings):
        return FileDouble(scripted(), **settings)

    return make


@pytest.fixture
def on_files(meet):
    """Run `work(files)` against a double."""

    def run(double, work):
        async def whole(vehicle):
            async with open_files(vehicle) as files:
                return await work(files)

        return meet(double.vehicle, whole)

    return run


@pytest.fixture
def slow():
    """A link profile with a budget of bytes."""
    return LinkProfile(
        "test", answer_s=1.0, tries=4, silence_s=1.0, file_piece_bytes=110, file_bytes_per_s=20_000.0
    )


# -- what a person does --------------------------------------------------------------------------------------


def test_a_folder_is_listed_over_many_pages(double, on_files):
    d = double()
    d.folders |= {"/DCIM", "/DCIM/101"}
    d.files = {f"/DCIM/SIM_{i:04d}.JPG": bytes(i) for i in range(100)}
    entries = on_files(d, lambda files: files.list("/DCIM/"))
    assert entries[0] == Entry("101", is_folder=True)
    assert entries[1:] == tuple(Entry(f"SIM_{i:04d}.JPG", False, i) for i in range(100))
    assert d.asked["list"] > 5


def test_an_old_ardupilot_puts_two_noughts_between_names(double, on_files):
    d = double()
    d.files = {f"/{i:03d}": b"" for i in range(150)}
    d.twist = lambda name, reply: (
        reply | {"data": b"\0\0".join(reply["data"].split(b"\0")[:20]) + b"\0"}
        if reply["op"] == ACK
        else reply
    )
    names = [e.name for e in on_files(d, lambda files: files.list("/"))]
    assert names == [f"{i:03d}" for i in range(150)]


@pytest.mark.parametrize("size", [0, 1, 238, 239, 240, 239 * 50, 100_001])
def test_a_file_comes_as_it_is(double, on_files, tmp_path, size):
    d = double()
    d.files["/a.bin"] = content(size)
    done = on_files(d, lambda files: files.get("/a.bin", tmp_path / "sub" / "a.bin"))
    assert done.file.read_bytes() == d.files["/a.bin"]
    assert (done.size_bytes, done.checked) == (size, True)
    assert [p.name for p in done.file.parent.iterdir()] == ["a.bin"]
    assert d.session is None  # closed in good order


@pytest.mark.parametrize("size", [0, 1, 239, 50_001])
def test_a_file_goes_as_it_is_and_replaces_the_old_one(double, on_files, tmp_path, size):
    d = double()
    d.files["/a.bin"] = b"old"
    (tmp_path / "a.bin").write_bytes(content(size))
    done = on_files(d, lambda files: files.put(tmp_path / "a.bin", "/a.bin"))
    assert d.files == {"/a.bin": content(size)}
    assert done.checked
    assert d.session is None


def test_both_kinds_of_checksum_are_known(double, on_files, tmp_path):
    d = double(usual_crc=True)
    d.files["/a.bin"] = content(5000)
    assert on_files(d, lambda files: files.get("/a.bin", tmp_path / "a")).checked


def test_a_vehicle_without_checksums_bursts_or_short_names_still_gives_its_files(double, on_files, tmp_path):
    d = double()
    d.without = {"crc", "burst"}
    d.files["/a.bin"] = content(20_000)
    done = on_files(d, lambda files: files.get("/a.bin", tmp_path / "a"))
    assert done.file.read_bytes() == d.files["/a.bin"]
    assert not done.checked


def test_a_server_that_sends_small_pieces_whatever_is_asked(double, on_files, tmp_path):
    d = double()
    d.files["/a.bin"] = content(9_000)
    read, burst = d.do_read, d.do_burst
    d.do_read = lambda session, size, *rest: read(session, min(size, 48), *rest)
    d.do_burst = lambda session, size, *rest: burst(session, 48, *rest)
    done = on_files(d, lambda files: files.get("/a.bin", tmp_path / "a"))
    assert done.file.read_bytes() == d.files["/a.bin"]


def test_files_are_renamed_cut_and_removed_and_folders_made(double, on_files):
    d = double()
    d.files["/a"] = b"123456"

    async def work(files):
        await files.make_folder("/logs")
        await files.rename("/a", "/logs/b")
        await files.truncate("/logs/b", 3)
        before = dict(d.files), set(d.folders)
        await files.remove("/logs/b")
        await files.remove_folder("/logs")
        return before

    assert on_files(d, work) == ({"/logs/b": b"123"}, {"/", "/logs"})
    assert (d.files, d.folders) == ({}, {"/"})


def test_a_whole_folder_comes_and_a_second_time_only_what_is_new(double, on_files, tmp_path):
    d = double()
    d.folders |= {"/DCIM", "/DCIM/101"}
    d.files = {f"/DCIM/{n}": content(3000, i) for i, n in enumerate(("1.JPG", "2.JPG", "101/3.JPG"))}
    done = on_files(d, lambda files: files.get_folder("/DCIM", tmp_path / "DCIM"))
    assert len(done) == 3
    for path, data in d.files.items():
        assert (tmp_path / path.lstrip("/")).read_bytes() == data
    d.files["/DCIM/4.JPG"] = content(10)
    again = on_files(d, lambda files: files.get_folder("/DCIM", tmp_path / "DCIM"))
    assert [t.path for t in again] == ["/DCIM/4.JPG"]


@pytest.mark.parametrize("name", ["../evil", "..\\evil", "C:evil", "a/b"])
def test_a_name_that_would_leave_the_folder_is_refused(double, on_files, tmp_path, name):
    d = double()
    d.twist = lambda op, reply: (
        reply | {"data": f"F{name}\t5\0".encode()} if op == "list" and not reply["offset"] else reply
    )
    with pytest.raises(FileAnswerError, match="no name for a file"):
        on_files(d, lambda files: files.get_folder("/", tmp_path / "out"))
    assert not list(tmp_path.rglob("evil*"))


# -- bad links -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("loss", [0.0, 0.1, 0.25, 0.4])
def test_over_a_bad_link_the_same_file_arrives(double, on_files, tmp_path, quick, loss, seed):
    object.__setattr__(quick, "answer_s", 0.5)
    d = double(weather=Weather(seed, loss, twice=0.1, late_s=0.02), burst_packets=40)
    d.files["/a.bin"] = content(20_000, seed)
    done = on_files(d, lambda files: files.get("/a.bin", tmp_path / "a"))
    assert done.file.read_bytes() == d.files["/a.bin"]
    assert done.checked


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("loss", [0.1, 0.4])
def test_over_a_bad_link_the_same_file_is_written(double, on_files, tmp_path, quick, loss, seed):
    object.__setattr__(quick, "answer_s", 0.5)
    d = double(weather=Weather(seed, loss, twice=0.1))
    (tmp_path / "a").write_bytes(content(10_000, seed))
    assert on_files(d, lambda files: files.put(tmp_path / "a", "/a")).checked
    assert d.files == {"/a": content(10_000, seed)}


def test_a_slow_link_has_room_for_telemetry(double, on_files, tmp_path, quick, slow):
    for name in ("answer_s", "tries", "file_piece_bytes", "file_bytes_per_s"):
        object.__setattr__(quick, name, getattr(slow, name))
    d = double()
    d.files["/a.bin"] = content(20_000)
    began_s = time.monotonic()
    done = on_files(d, lambda files: files.get("/a.bin", tmp_path / "a"))
    lasted_s = time.monotonic() - began_s
    assert done.file.read_bytes() == d.files["/a.bin"]
    assert "burst" not in d.asked
    sent = sum(len(m.get_msgbuf()) for m in d.vehicle.heard if m.get_type() == "FILE_TRANSFER_PROTOCOL")
    assert (sent + 20_000 + 27 * d.asked["read"]) / lasted_s < 1.05 * 20_000
    assert lasted_s < 4.0


# -- broken off and gone on with -----------------------------------------------------------------------------


def test_a_download_that_broke_off_goes_on_from_its_part_file(double, on_files, tmp_path):
    d = double(burst_packets=20)
    d.files["/a.bin"] = content(60_000)

    def dies_half_way(name, reply):
        return None if reply["offset"] > 30_000 else reply

    d.twist = dies_half_way
    with pytest.raises(FileServerSilentError, match="run the same again to go on"):
        on_files(d, lambda files: files.get("/a.bin", tmp_path / "a"))
    (part,) = tmp_path.iterdir()
    assert part.name == ".a.60000.part"
    have = part.stat().st_size
    assert 28_000 < have <= 31_000
    d.twist = lambda name, reply: reply if name != "burst" or reply["offset"] >= have else 1 / 0
    done = on_files(d, lambda files: files.get("/a.bin", tmp_path / "a"))
    assert (done.resumed_bytes, done.checked) == (have, True)
    assert done.file.read_bytes() == d.files["/a.bin"]


def test_a_part_of_another_file_of_the_same_length_is_found_out(double, on_files, tmp_path):
    d = double()
    d.files["/a.bin"] = content(20_000)
    (tmp_path / ".a.20000.part").write_bytes(content(5_000, seed=9))
    done = on_files(d, lambda files: files.get("/a.bin", tmp_path / "a"))
    assert done.file.read_bytes() == d.files["/a.bin"]


def test_an_upload_that_broke_off_goes_on(double, on_files, tmp_path):
    d = double()
    (tmp_path / "a").write_bytes(content(40_000))
    d.twist = lambda name, reply: None if name == "write" and reply["offset"] > 20_000 else reply
    with pytest.raises(FileServerSilentError):
        on_files(d, lambda files: files.put(tmp_path / "a", "/a"))
    assert list(d.files) == ["/a.part"]
    there, d.files["/a.part"] = len(d.files["/a.part"]), d.files["/a.part"]
    d.twist = lambda name, reply: reply
    done = on_files(d, lambda files: files.put(tmp_path / "a", "/a"))
    assert done.resumed_bytes == there > 15_000
    assert d.files == {"/a": content(40_000)}


@pytest.mark.parametrize("op", ["read", "write"])
def test_a_vehicle_that_closes_the_file_meanwhile_is_asked_to_open_it_again(double, on_files, tmp_path, op):
    d = double(burst_packets=10)
    d.without = {"burst"}
    d.files["/a"] = content(20_000)
    (tmp_path / "b").write_bytes(content(20_000))
    count = 0

    def forgets(name, reply):
        nonlocal count
        count += name == op
        if count in (20, 50):
            d.session = None
        return reply

    d.twist = forgets
    if op == "read":
        done = on_files(d, lambda files: files.get("/a", tmp_path / "a"))
        assert done.file.read_bytes() == d.files["/a"]
    else:
        on_files(d, lambda files: files.put(tmp_path / "b", "/b"))
        assert d.files["/b"] == content(20_000)


def test_a_full_disk_here_is_told_and_what_came_is_kept(double, on_files, tmp_path, monkeypatch):
    d = double(burst_packets=10)
    d.files["/a.bin"] = content(50_000)
    real = ftp_read.Pieces._append

    def full(self, data):
        if self.have > 20_000:
            raise OSError(errno.ENOSPC, "No space left on device")
        real(self, data)

    monkeypatch.setattr(ftp_read.Pieces, "_append", full)
    with pytest.raises(FileError, match=r"cannot be written here \(No space left on device\)"):
        on_files(d, lambda files: files.get("/a.bin", tmp_path / "a"))
    monkeypatch.setattr(ftp_read.Pieces, "_append", real)
    assert not (tmp_path / "a").exists()
    done = on_files(d, lambda files: files.get("/a.bin", tmp_path / "a"))
    assert done.resumed_bytes > 20_000
    assert done.file.read_bytes() == d.files["/a.bin"]


def test_a_full_card_there_is_told_and_nothing_has_the_final_name(double, on_files, tmp_path):
    d = double(limit=10_000)
    (tmp_path / "a").write_bytes(content(20_000))
    with pytest.raises(CardFullError, match="card is full"):
        on_files(d, lambda files: files.put(tmp_path / "a", "/a"))
    assert "/a" not in d.files


# -- servers that refuse, or answer wrongly ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "kind", "words"),
    [
        ((1,), FileError, "says only that it failed"),
        ((2, 2), FileMissingError, "is not on the vehicle"),
        ((2, 13), FileProtectedError, "refuses"),
        ((2,), FileError, "without a reason"),
        ((3,), FileError, "of this length"),
        ((5,), FileServerBusyError, "no file session free"),
        ((7,), NoFileServerError, "cannot do this"),
        ((8,), FilePresentError, "exists on the vehicle already"),
        ((9,), FileProtectedError, "write-protected"),
        ((10,), FileMissingError, "is not on the vehicle"),
        ((77,), FileAnswerError, "error 77, which the protocol does not know"),
        ((), FileAnswerError, "no error code"),
    ],
)
def test_a_refusal_is_told_in_plain_words(double, on_files, data, kind, words):
    d = double()
    d.twist = lambda name, reply: reply | {"op": NAK, "data": bytes(data)}
    with pytest.raises(kind, match=f"mkdir /x: .*{words}"):
        on_files(d, lambda files: files.make_folder("/x"))


def on_op(asked, **change):
    return lambda name, reply: reply | change if name == asked else reply


WRONG = {
    "size of the file is not told": (on_op("open_ro", data=b"\1"), FileAnswerError),
    "neither yes nor no": (on_op("open_ro", op=77), FileAnswerError),
    "claims more bytes than fit": (on_op("read", size=255), FileAnswerError),
    "reads nothing": (on_op("read", data=b""), FileAnswerError),
    "reads from elsewhere": (on_op("read", offset=9), FileAnswerError),
    "reads in another session": (on_op("read", session=99), FileAnswerError),
    "ends where it should go on": (on_op("read", op=NAK, data=bytes([EOF])), FileChangedError),
    "reads fail": (on_op("read", op=NAK, data=bytes([ERRNO, 5])), FileError),
    "never answers reads": (lambda name, reply: None if name == "read" else reply, FileServerSilentError),
    "numbers its answers wrongly": (lambda n, r: r | {"seq": r["seq"] + 300}, FileServerSilentError),
    "a checksum that is never right": (on_op("crc", data=b"abcd"), FileChangedError),
    "half a checksum": (on_op("crc", data=b"ab"), FileAnswerError),
    "tells more bytes than there are": (
        on_op("open_ro", data=(5000).to_bytes(4, "little")),
        FileChangedError,
    ),
}


@pytest.mark.parametrize("bursts", [True, False], ids=["bursts", "reads"])
@pytest.mark.parametrize("how", WRONG)
def test_a_server_that_answers_wrongly_is_told_and_does_not_hang(double, on_files, tmp_path, how, bursts):
    twist, kind = WRONG[how]
    d = double()
    d.files["/a.bin"] = content(3000)
    d.without = set() if bursts else {"burst"}

    def no_data_in_bursts(name, reply):
        return None if name == "burst" and reply["op"] == ACK else twist(name, reply)

    d.twist = no_data_in_bursts
    began_s = time.monotonic()
    with pytest.raises(kind):
        on_files(d, lambda files: files.get("/a.bin", tmp_path / "a"))
    assert time.monotonic() - began_s < 6
    assert not (tmp_path / "a").exists()


def test_a_list_without_end_is_given_up(double, on_files):
    d = double()
    d.twist = on_op("list", op=ACK, data=b"Fsame\t5\0")
    with pytest.raises(FileAnswerError, match="repeats itself"):
        on_files(d, lambda files: files.list("/"))
    d.twist = on_op("list", op=ACK, data=b"\0\0\0")
    with pytest.raises(FileAnswerError, match="repeats itself"):
        on_files(d, lambda files: files.list("/"))


def test_a_vehicle_without_a_file_server_is_told(scripted, meet, quick):
    async def work(vehicle):
        async with open_files(vehicle) as files:
            await files.list("/")

    began_s = time.monotonic()
    with pytest.raises(NoFileServerError, match=r"vehicle 1 does not answer file requests"):
        meet(scripted(), work)
    assert time.monotonic() - began_s < 3


def test_a_session_that_a_dead_station_left_open_is_taken_back(double, on_files, tmp_path):
    d = double()
    d.files["/a"] = content(1000)
    d.session = (33, "/a", False)
    assert on_files(d, lambda files: files.get("/a", tmp_path / "a")).checked
    assert d.asked["reset"] == 1


def test_another_component_has_files_of_its_own(double, meet):
    """A camera's answers come from the camera; the autopilot's are not mixed up with them."""
    d = double()

    async def work(vehicle):
        async with open_files(vehicle, mavlink.MAV_COMP_ID_CAMERA) as files:
            await files.list("/")

    with pytest.raises(NoFileServerError):
        meet(d.vehicle, work)
    asked = [m for m in d.vehicle.heard if m.get_type() == "FILE_TRANSFER_PROTOCOL"]
    assert {m.target_component for m in asked} == {mavlink.MAV_COMP_ID_CAMERA}


@pytest.mark.parametrize("seed", range(12))
def test_a_server_gone_mad_gives_the_file_or_a_plain_error(double, on_files, tmp_path, seed):
    d, chance = double(burst_packets=10), random.Random(seed)
    d.files["/a.bin"] = content(5000)

    def mad(name, reply):
        if chance.random() < 0.1:
            reply |= chance.choice(
                [
                    {"op": chance.choice([0, 77, ACK, NAK])},
                    {"data": chance.randbytes(chance.randrange(240))},
                    {"offset": chance.randrange(6000)},
                    {"session": 200},
                    {"size": chance.randrange(256)},
                    {"seq": chance.randrange(65536)},
                    {"complete": 1},
                ]
            )
        return reply

    d.twist = mad
    began_s = time.monotonic()
    told = ""
    try:
        on_files(d, lambda files: files.get("/a.bin", tmp_path / "a"))
    except FileError as fault:
        told = str(fault)
    assert (tmp_path / "a").exists() is not bool(told)
    assert told or (tmp_path / "a").read_bytes() == d.files["/a.bin"]
    assert "\n" not in told
    assert time.monotonic() - began_s < 10
