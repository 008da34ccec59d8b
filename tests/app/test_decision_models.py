"""Decision models end to end: seats and courses, decided together, under concurrency."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

import pytest

from everfold import App, Command, DecisionModel, Event, Events, Rejected, Tag, decide, evolve
from everfold.errors import InvalidEvent, InvalidMessage, InvalidName
from tests.app.stores import StoreMaker, contents

CourseId = Annotated[str, Tag("course")]
StudentId = Annotated[str, Tag("student")]
LIMIT = 3


class CourseOpened(Event):
    course_id: CourseId
    seats: int


class StudentEnrolled(Event):
    course_id: CourseId
    student_id: StudentId


class SeatRefused(Event):
    course_id: CourseId
    student_id: StudentId


class OpenCourse(Command):
    course_id: CourseId
    seats: int


class Enrol(Command[int]):
    """Replies with the seats that are left."""

    course_id: CourseId
    student_id: StudentId
    is_strict: bool = False


class Course(DecisionModel):
    course_id: CourseId
    seats: int = 0

    @decide
    def open(self, command: OpenCourse) -> Events:
        if self.seats:
            return
        yield CourseOpened(course_id=command.course_id, seats=command.seats)

    @evolve
    def opened(self, event: CourseOpened) -> None:
        self.seats = event.seats


class Enrolment(DecisionModel):
    course_id: CourseId
    student_id: StudentId
    seats_left: int = 0
    courses_taken: int = 0

    @decide
    def enrol(self, command: Enrol) -> Events[int]:
        if self.courses_taken >= LIMIT:
            raise Rejected("too-many-courses")
        if not self.seats_left:
            refusal = Rejected("course-full")
            if command.is_strict:
                refusal = refusal.recording(SeatRefused(course_id=command.course_id, student_id=command.student_id))
            raise refusal
        yield StudentEnrolled(course_id=command.course_id, student_id=command.student_id)
        return self.seats_left

    @evolve
    def opened(self, event: CourseOpened) -> None:
        self.seats_left = event.seats

    @evolve
    def enrolled(self, event: StudentEnrolled | SeatRefused) -> None:
        if isinstance(event, SeatRefused):
            return
        if event.course_id == self.course_id:
            self.seats_left -= 1
        if event.student_id == self.student_id:
            self.courses_taken += 1


def school(store: StoreMaker, **settings: Any) -> App:
    return App("school", Course, Enrolment, store=store(), **settings)


async def enrolled(app: App) -> int:
    return sum(record.type == "student-enrolled" for record in await contents(app))


async def test_a_decision_sees_all_events_that_carry_its_tags(store: StoreMaker) -> None:
    async with school(store) as app:
        await app.execute(OpenCourse(course_id="c1", seats=2))
        assert (await app.execute(Enrol(course_id="c1", student_id="s1"))).reply == 1
        done = await app.execute(Enrol(course_id="c1", student_id="s2"))
        assert (done.reply, done.stream, done.version, done.position) == (0, "enrolment-c1,s2", 1, 3)
        assert done.events == (StudentEnrolled(course_id="c1", student_id="s2"),)
        with pytest.raises(Rejected, match="course-full"):
            await app.execute(Enrol(course_id="c1", student_id="s3"))
        assert (await contents(app))[-1].tags == ("course:c1", "student:s2")


async def test_a_skip_is_done_at_the_position_it_saw(store: StoreMaker) -> None:
    async with school(store) as app:
        nothing = await app.execute(OpenCourse(course_id="c1", seats=2))
        again = await app.execute(OpenCourse(course_id="c1", seats=9))
        assert (nothing.position, again.position, again.events, again.stream) == (1, 1, (), "course-c1")


@pytest.mark.parametrize("apps", [1, 2])
async def test_the_last_seats_are_given_once_however_many_want_them(store: StoreMaker, apps: int) -> None:
    async with school(store) as one, school(store) as two:
        running = [one, two][:apps]
        await one.execute(OpenCourse(course_id="c1", seats=5))
        outcomes = await asyncio.gather(
            *(running[number % apps].execute(Enrol(course_id="c1", student_id=f"s{number}")) for number in range(12)),
            return_exceptions=True,
        )
        assert sum(isinstance(outcome, Rejected) for outcome in outcomes) == 7
        assert sorted(outcome.reply for outcome in outcomes if not isinstance(outcome, BaseException)) == [
            0,
            1,
            2,
            3,
            4,
        ]
        assert await enrolled(one) == 5


async def test_a_student_cannot_take_too_many_courses_at_the_same_moment(store: StoreMaker) -> None:
    async with school(store) as app:
        for number in range(8):
            await app.execute(OpenCourse(course_id=f"c{number}", seats=1))
        outcomes = await asyncio.gather(
            *(app.execute(Enrol(course_id=f"c{number}", student_id="s1")) for number in range(8)),
            return_exceptions=True,
        )
        assert sum(isinstance(outcome, Rejected) for outcome in outcomes) == 8 - LIMIT
        assert await enrolled(app) == LIMIT


async def test_courses_without_a_student_in_common_do_not_conflict(store: StoreMaker) -> None:
    async with school(store, retry_attempts=1) as app:
        for number in range(8):
            await app.execute(OpenCourse(course_id=f"c{number}", seats=1))
        await asyncio.gather(
            *(app.execute(Enrol(course_id=f"c{number}", student_id=f"s{number}")) for number in range(8))
        )
        assert await enrolled(app) == 8


async def test_a_recorded_refusal_of_a_decision_model_is_stored(store: StoreMaker) -> None:
    async with school(store) as app:
        for _ in range(2):
            with pytest.raises(Rejected, match="course-full"):
                await app.execute(Enrol(course_id="c1", student_id="s1", is_strict=True), idempotency_key="k1")
        assert [record.type for record in await contents(app)] == ["seat-refused"]


async def test_an_idempotency_key_gives_the_same_outcome(store: StoreMaker) -> None:
    async with school(store) as app:
        await app.execute(OpenCourse(course_id="c1", seats=5))
        first = await app.execute(Enrol(course_id="c1", student_id="s1"), idempotency_key="k1")
        again = await app.execute(Enrol(course_id="c1", student_id="s1"), idempotency_key="k1")
        assert (first.reply, first.version, first.stream) == (again.reply, again.version, again.stream)
        assert first.events == again.events
        skipped = await app.execute(OpenCourse(course_id="c1", seats=5), idempotency_key="k2")
        repeated = await app.execute(OpenCourse(course_id="c1", seats=5), idempotency_key="k2")
        assert (skipped.version, skipped.position) == (repeated.version, repeated.position) == (1, 2)


@pytest.mark.parametrize("course", ["", "a b", "a/b", "x" * 10_000, "\N{GRINNING FACE}"])
async def test_a_tag_value_that_cannot_be_a_key_is_refused(store: StoreMaker, course: str) -> None:
    async with school(store) as app:
        with pytest.raises((InvalidName, InvalidEvent, InvalidMessage)):
            await app.execute(OpenCourse(course_id=course, seats=1))
        assert await app.store.head() == 0
