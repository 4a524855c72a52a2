from __future__ import annotations

import io
import tarfile
from itertools import islice

import pytest

from clip_pipeline.errors import SourceError
from clip_pipeline.evaluation.datasets import open_dataset
from clip_pipeline.sandbox import benchmark
from clip_pipeline.sandbox.sites import Sites
from clip_pipeline.sandbox.world import World
from clip_pipeline.sources.benchmarks import download_benchmark
from clip_pipeline.sources.web import retries
from clip_pipeline_tests.sources.loopback import Answer

BASE = "http://data.test/set"


def tar_of(count: int, headers: dict[str, str] | None = None) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for number in range(count):
            for ending, content in (("cls", b"1"), ("jpg", b"\xff\xd8")):
                member = tarfile.TarInfo(f"s{number:07d}.{ending}")
                member.size, member.pax_headers = len(content), headers or {}
                tar.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


FILES = {
    "classnames.txt": b"red cup\nblue cup\n",
    "zeroshot_classification_templates.txt": b"a photo of a {c}.\n",
    "seen/nshards.txt": b"2\n",
    "seen/0.tar": tar_of(3),
    "seen/1.tar": tar_of(2),
    "unseen/nshards.txt": b"1\n",
    "unseen/0.tar": tar_of(4),
}


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch):
    monkeypatch.setattr(retries, "backoff_seconds", lambda attempt, generator: 0.0)


@pytest.fixture
def dataset(site):
    for name, content in FILES.items():
        site.always(f"/set/{name}", Answer(body=content))
    listing = "".join(f'<a href="/set/{name}">{name}</a>' for name in FILES)
    site.always("/set/", Answer(body=listing.encode()))
    return site


def test_the_layout_is_copied_file_by_file(dataset, tmp_path):
    assert download_benchmark(f"{BASE}/", tmp_path / "new", dataset.hosts("data.test")) == {"seen": 5, "unseen": 4}
    copied = {
        path.relative_to(tmp_path / "new").as_posix(): path.read_bytes() for path in (tmp_path / "new").rglob("*.*")
    }
    assert copied == FILES


def test_without_a_listing_the_usual_splits_are_asked_for(dataset, tmp_path):
    del dataset.routes["/set/"]
    for name in ("nshards.txt", "0.tar"):
        dataset.always(f"/set/test/{name}", Answer(body=FILES[f"unseen/{name}"]))
    assert download_benchmark(BASE, tmp_path, dataset.hosts("data.test")) == {"test": 4}


def test_a_tar_that_comes_cut_is_asked_for_again(dataset, tmp_path):
    whole = FILES["seen/0.tar"]
    dataset.in_turn("/set/seen/0.tar", Answer(body=whole[:700], length=len(whole)), Answer(503), Answer(body=whole))
    assert download_benchmark(BASE, tmp_path, dataset.hosts("data.test"))["seen"] == 5
    assert (tmp_path / "seen" / "0.tar").read_bytes() == whole


def test_a_tar_that_always_comes_cut_is_an_error(dataset, tmp_path):
    dataset.always("/set/seen/0.tar", Answer(body=b"x" * 10, length=2000))
    with pytest.raises(SourceError, match=r"seen/0\.tar cannot be read"):
        download_benchmark(BASE, tmp_path, dataset.hosts("data.test"))
    assert dataset.count("/set/seen/0.tar") == 5


@pytest.mark.parametrize(
    ("name", "answer", "message"),
    [
        ("classnames.txt", Answer(404), r"classnames\.txt is not there \(404\)"),
        ("seen/1.tar", Answer(404), r"seen/1\.tar is not there"),
        ("seen/nshards.txt", Answer(body=b"<html>"), r'nshards\.txt holds "<html>", expected the number of tars'),
        ("seen/nshards.txt", Answer(body=b"0"), "expected the number of tars"),
        ("seen/0.tar", Answer(body=b"<html>no tar</html>"), r"seen/0\.tar is no tar"),
        ("seen/0.tar", Answer(body=tar_of(1, {"GNU.sparse.size": "much"})), r"seen/0\.tar is no tar"),
        ("seen/0.tar", Answer(body=tar_of(0)), "holds no labels"),
        ("seen/0.tar", Answer(403), r"cannot be read \(HTTP 403\)"),
        ("", Answer(body=b"<html>nothing</html>"), "lists no split"),
    ],
)
def test_what_is_not_the_layout_is_said(dataset, tmp_path, name, answer, message):
    dataset.always(f"/set/{name}", answer)
    with pytest.raises(SourceError, match=message):
        download_benchmark(BASE, tmp_path, dataset.hosts("data.test"))


def test_a_tar_that_is_there_whole_is_not_asked_for_again(dataset, tmp_path):
    (tmp_path / "seen").mkdir()
    (tmp_path / "seen" / "0.tar").write_bytes(FILES["seen/0.tar"])
    (tmp_path / "seen" / "1.tar").write_bytes(FILES["seen/1.tar"][:600])
    assert download_benchmark(BASE, tmp_path, dataset.hosts("data.test")) == {"seen": 5, "unseen": 4}
    assert (dataset.count("/set/seen/0.tar"), dataset.count("/set/seen/1.tar")) == (0, 1)
    assert (tmp_path / "seen" / "1.tar").read_bytes() == FILES["seen/1.tar"]


def test_a_dataset_with_captions_has_no_class_names(site, tmp_path):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, content in (("s0.txt", b"a cup\na red cup"), ("s0.jpg", b"\xff\xd8")):
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    files = {"dataset_type.txt": b"retrieval\n", "test/nshards.txt": b"1\n", "test/0.tar": buffer.getvalue()}
    for name, content in files.items():
        site.always(f"/set/{name}", Answer(body=content))
    assert download_benchmark(BASE, tmp_path, site.hosts("data.test")) == {"test": 1}
    dataset = open_dataset(tmp_path)
    assert (dataset.splits, dataset.captions) == (["test"], [["a cup", "a red cup"]])


def test_a_site_that_is_gone_is_an_error(site, tmp_path):
    with pytest.raises(SourceError, match="cannot be read"):
        download_benchmark("http://127.0.0.1:9/set", tmp_path, {})


def test_what_the_sandbox_publishes_is_copied(site, tmp_path, monkeypatch):
    all_scenes = benchmark.labelled_scenes
    monkeypatch.setattr(benchmark, "SCENES_PER_SPLIT", 20)
    monkeypatch.setattr(benchmark, "labelled_scenes", lambda world, split: islice(all_scenes(world, split), 20))
    sites = Sites(World(seed=0, photos=50, articles=50))

    def answer(request, count):
        response = sites.answer("GET", request.path, {"host": request.headers["Host"]})
        return Answer(response.status, response.body)

    for name in ("", "classnames.txt", "zeroshot_classification_templates.txt"):
        site.routes[f"/benchmarks/sandbox/{name}"] = answer
    for split in ("seen", "unseen"):
        site.routes[f"/benchmarks/sandbox/{split}/nshards.txt"] = site.routes[f"/benchmarks/sandbox/{split}/0.tar"] = (
            answer
        )
    rows = download_benchmark(
        "http://dumps.sandbox.test/benchmarks/sandbox", tmp_path, site.hosts("dumps.sandbox.test")
    )
    assert rows == {"seen": 20, "unseen": 20}
    assert len((tmp_path / "classnames.txt").read_text().splitlines()) == 120
