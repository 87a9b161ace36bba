"""The sensor that tells the alarm topic: of failed runs and red checks, each once, by names alone."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import dagster as dg
import pytest

from loglake_assets.orchestration.alarm_sensor import AlarmCursor, tell
from resources.settings import LakeSettings

SETTINGS = LakeSettings("told", "111122223333", "eu-west-1")
KEY = dg.AssetKey(["readready", "from_cloudtrail_readready"])


@dataclass
class Topic:
    """A lake of which nothing is asked but its topic, and what was published there."""

    settings: LakeSettings = SETTINGS
    messages: list[dict[str, str]] = field(default_factory=list)

    def client(self, service: str) -> "Topic":
        assert service == "sns"
        return self

    def publish(self, **message: str) -> None:
        assert message["MessageStructure"] == "json", "else SNS tells everybody the document itself"
        self.messages.append({**message, **json.loads(message["Message"])})


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as made:
        yield made


def tick(instance: dg.DagsterInstance, topic: Topic, cursor: str | None) -> str:
    result = tell(dg.build_sensor_context(instance, cursor=cursor), topic)  # type: ignore[arg-type]
    assert result.cursor is not None
    return result.cursor


def evaluate(instance: dg.DagsterInstance, passed: bool, partition: str = "2026-11-01", **named: Any) -> None:
    @dg.op
    def check(context: dg.OpExecutionContext) -> None:
        context.log_event(
            dg.AssetCheckEvaluation(
                asset_key=KEY, check_name="coverage", passed=passed, partition=partition, metadata={}, **named
            )
        )

    @dg.job
    def checks() -> None:
        check()

    assert checks.execute_in_process(instance=instance).success


def fail(instance: dg.DagsterInstance) -> str:
    @dg.op
    def break_down() -> None:
        raise ValueError("a line of a log")

    @dg.job
    def failing_job() -> None:
        break_down()

    return failing_job.execute_in_process(instance=instance, raise_on_error=False).run_id


def test_what_is_past_is_not_told(instance: dg.DagsterInstance) -> None:
    topic = Topic()
    evaluate(instance, False)
    fail(instance)
    cursor = tick(instance, topic, None)
    tick(instance, topic, cursor)
    assert topic.messages == []


def test_a_check_that_turns_red_is_told_once_and_again_after_it_was_green(instance: dg.DagsterInstance) -> None:
    topic = Topic()
    cursor = tick(instance, topic, None)
    evaluate(instance, False, description="1 object unreadable")
    cursor = tick(instance, topic, cursor)
    (message,) = topic.messages
    assert message["TopicArn"] == "arn:aws:sns:eu-west-1:111122223333:told-alarms"
    assert message["Subject"] == "Log lake told: 1 thing to look at"
    assert message["default"] == (
        "Check readready/from_cloudtrail_readready coverage 2026-11-01 is red: 1 object unreadable"
    )
    evaluate(instance, False)
    evaluate(instance, False, partition="2026-11-02")
    cursor = tick(instance, topic, cursor)
    assert [m["default"].split(" is red")[0][-10:] for m in topic.messages[1:]] == ["2026-11-02"], "the first is known"
    evaluate(instance, True)
    cursor = tick(instance, topic, cursor)
    assert len(topic.messages) == 2, "green is no news"
    evaluate(instance, False)
    cursor = tick(instance, topic, cursor)
    assert len(topic.messages) == 3
    assert len(AlarmCursor.from_text(cursor).red) == 2  # type: ignore[union-attr]


def test_a_channel_is_told_in_the_form_that_amazon_q_shows(instance: dg.DagsterInstance) -> None:
    """It drops plain text without a word, and subscribes to topics by https."""
    topic = Topic()
    cursor = tick(instance, topic, None)
    evaluate(instance, False, description="1 object unreadable")
    tick(instance, topic, cursor)
    (message,) = topic.messages
    assert set(json.loads(message["Message"])) == {"default", "https"}, "e-mail and queues get the text by default"
    assert json.loads(message["https"]) == {
        "version": "1.0",
        "source": "custom",
        "content": {"title": message["Subject"], "description": message["default"]},
    }


def test_a_warning_wakes_nobody(instance: dg.DagsterInstance) -> None:
    topic = Topic()
    cursor = tick(instance, topic, None)
    evaluate(instance, False, severity=dg.AssetCheckSeverity.WARN)
    tick(instance, topic, cursor)
    assert topic.messages == []


def test_a_failed_run_is_told_without_the_text_of_its_error(instance: dg.DagsterInstance) -> None:
    topic = Topic()
    cursor = tick(instance, topic, None)
    run_id = fail(instance)
    cursor = tick(instance, topic, cursor)
    tick(instance, topic, cursor)
    (message,) = topic.messages
    assert message["default"] == f"Run {run_id} of failing_job failed. Its page in Dagster says why."


def test_what_could_not_be_told_is_told_at_the_next_tick(instance: dg.DagsterInstance) -> None:
    topic = Topic()
    cursor = tick(instance, topic, None)
    evaluate(instance, False)

    class Down(Topic):
        def publish(self, **message: str) -> None:
            raise ConnectionError("the topic does not answer")

    with pytest.raises(ConnectionError):
        tick(instance, Down(), cursor)
    tick(instance, topic, cursor)
    assert len(topic.messages) == 1


@pytest.mark.long
def test_many_are_told_in_one_message_with_a_count(instance: dg.DagsterInstance) -> None:
    topic = Topic()
    cursor = tick(instance, topic, None)
    for n in range(60):
        evaluate(instance, False, partition=f"2026-10-{n:02d}")
    tick(instance, topic, cursor)
    (message,) = topic.messages
    assert message["Subject"] == "Log lake told: 60 things to look at"
    assert message["default"].endswith("\n\nand 10 more")
    assert json.loads(message["https"])["content"]["description"].endswith("\n\nand 50 more")
