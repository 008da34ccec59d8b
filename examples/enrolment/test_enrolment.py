"""The rules as scenarios; and the application on every store, with more students than seats at the same time."""

import asyncio
from collections import Counter
from pathlib import Path

import pytest

from everfold import App, Rejected, Selection
from everfold.testing import scenario
from examples.enrolment.app import CoursesOf, app, courses_of
from examples.enrolment.domain import (
    MAX_COURSES,
    ChangeSeats,
    Course,
    CourseDefined,
    DefineCourse,
    Enrol,
    Enrolment,
    SeatsChanged,
    StudentEnrolled,
    StudentWithdrew,
    Withdraw,
)

MATHS = CourseDefined(course_id="maths", title="Mathematics", seats=2)


def enrolled(course: str, student: str) -> StudentEnrolled:
    return StudentEnrolled(course_id=course, student_id=student)


def test_a_course_is_defined_once() -> None:
    define = DefineCourse(course_id="maths", title="Mathematics", seats=2)
    scenario(Course).when(define).then(MATHS).when(define).rejected("course-exists")


def test_seats_can_be_changed_but_not_below_those_taken() -> None:
    course = scenario(Course).given(MATHS, enrolled("maths", "ann"), enrolled("maths", "bob"))
    course.when(ChangeSeats(course_id="maths", seats=3)).then(SeatsChanged(course_id="maths", seats=3))
    course.when(ChangeSeats(course_id="maths", seats=3)).nothing()
    course.when(ChangeSeats(course_id="maths", seats=1)).rejected("seats-taken", taken=2)
    scenario(Course).when(ChangeSeats(course_id="art", seats=1)).rejected("no-such-course")


def test_a_student_who_leaves_frees_a_seat() -> None:
    left = StudentWithdrew(course_id="maths", student_id="ann")
    course = scenario(Course).given(MATHS, enrolled("maths", "ann"), enrolled("maths", "bob"), left)
    course.when(ChangeSeats(course_id="maths", seats=1)).then(SeatsChanged(course_id="maths", seats=1))


def test_enrolling_replies_with_the_seats_left() -> None:
    enrolling = scenario(Enrolment).given(MATHS).when(Enrol(course_id="maths", student_id="ann"))
    enrolling.then(enrolled("maths", "ann")).replied(1).state(is_enrolled=True, taken=1, courses_taken=1)


def test_a_full_course_takes_nobody() -> None:
    full = scenario(Enrolment).given(MATHS, enrolled("maths", "ann"), enrolled("maths", "bob"))
    full.when(Enrol(course_id="maths", student_id="cyd")).rejected("course-full")


def test_more_seats_make_room() -> None:
    more = SeatsChanged(course_id="maths", seats=3)
    course = scenario(Enrolment).given(MATHS, enrolled("maths", "ann"), enrolled("maths", "bob"), more)
    course.when(Enrol(course_id="maths", student_id="cyd")).replied(0)


def test_nobody_enrols_twice() -> None:
    course = scenario(Enrolment).given(MATHS, enrolled("maths", "ann"))
    course.when(Enrol(course_id="maths", student_id="ann")).rejected("already-enrolled")


def test_a_course_must_exist() -> None:
    scenario(Enrolment).when(Enrol(course_id="maths", student_id="ann")).rejected("no-such-course")


def test_a_student_takes_a_limited_number_of_courses() -> None:
    busy = scenario(Enrolment).given(MATHS, *(enrolled(f"course{number}", "ann") for number in range(MAX_COURSES)))
    busy.when(Enrol(course_id="maths", student_id="ann")).rejected("too-many-courses", limit=MAX_COURSES)
    busy.when(Enrol(course_id="maths", student_id="bob")).then(enrolled("maths", "bob"))


def test_one_can_leave_and_come_back() -> None:
    student = scenario(Enrolment).given(MATHS)
    student.when(Withdraw(course_id="maths", student_id="ann")).nothing()
    student.when(Enrol(course_id="maths", student_id="ann")).replied(1)
    student.when(Withdraw(course_id="maths", student_id="ann")).then(
        StudentWithdrew(course_id="maths", student_id="ann")
    )
    student.when(Enrol(course_id="maths", student_id="ann")).replied(1)


# --- the application


def make_school(kind: str, request: pytest.FixtureRequest, folder: Path) -> App:
    if kind == "postgres":
        store: str = request.getfixturevalue("postgres_url")
    else:
        store = "memory:" if kind == "memory" else f"sqlite:///{folder / 'school.db'}"
    school = App("school", Course, Enrolment, store=store)
    school.answers(CoursesOf)(courses_of)
    return school


@pytest.fixture(params=["memory", "sqlite", "postgres"])
def school(request: pytest.FixtureRequest, tmp_path: Path) -> App:
    return make_school(request.param, request, tmp_path)


def test_the_application_is_complete() -> None:
    assert sorted(app.commands()) == ["change-seats", "define-course", "enrol", "withdraw"]
    assert sorted(app.queries()) == ["courses-of"]


async def test_courses_of_a_student_are_found_by_tag(school: App) -> None:
    async with school:
        for course in ("maths", "art"):
            await school.execute(DefineCourse(course_id=course, title=course, seats=1))
            await school.execute(Enrol(course_id=course, student_id="ann"))
        await school.execute(Withdraw(course_id="maths", student_id="ann"))
        assert await school.ask(CoursesOf(student_id="ann")) == ["art"]
        assert (await school.execute(Enrol(course_id="maths", student_id="bob"))).reply == 0


async def enrol(school: App, course: str, student: str) -> str:
    try:
        await school.execute(Enrol(course_id=course, student_id=student))
    except Rejected as refusal:
        return refusal.reason
    return "enrolled"


async def test_a_crowd_never_gets_more_seats_than_there_are(school: App) -> None:
    async with school:
        await school.execute(DefineCourse(course_id="maths", title="Mathematics", seats=5))
        outcomes = Counter(await asyncio.gather(*(enrol(school, "maths", f"s{number}") for number in range(30))))
        assert outcomes == {"enrolled": 5, "course-full": 25}
        stored = [event async for event, _ in school.store.read(Selection(types=("student-enrolled",)))]
        assert len(stored) == 5


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
async def test_two_programs_on_one_store_share_the_seats(
    kind: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    schools = [make_school(kind, request, tmp_path) for _ in range(2)]
    async with schools[0], schools[1]:
        await schools[0].execute(DefineCourse(course_id="maths", title="Mathematics", seats=5))
        crowd = (enrol(schools[number % 2], "maths", f"s{number}") for number in range(20))
        assert Counter(await asyncio.gather(*crowd)) == {"enrolled": 5, "course-full": 15}


async def test_a_student_who_enrols_everywhere_at_once_stays_within_the_limit(school: App) -> None:
    async with school:
        courses = [f"course{number}" for number in range(8)]
        for course in courses:
            await school.execute(DefineCourse(course_id=course, title=course, seats=5))
        outcomes = Counter(await asyncio.gather(*(enrol(school, course, "ann") for course in courses)))
        assert outcomes == {"enrolled": MAX_COURSES, "too-many-courses": 8 - MAX_COURSES}
        assert len(await school.ask(CoursesOf(student_id="ann"))) == MAX_COURSES


async def test_seats_cannot_be_taken_away_while_they_are_filled(school: App) -> None:
    async with school:
        await school.execute(DefineCourse(course_id="maths", title="Mathematics", seats=10))

        async def shrink() -> None:
            for seats in (8, 6, 4, 2):
                try:
                    await school.execute(ChangeSeats(course_id="maths", seats=seats))
                except Rejected as refusal:
                    assert refusal.reason == "seats-taken"

        await asyncio.gather(shrink(), *(enrol(school, "maths", f"s{number}") for number in range(12)))
        seats = taken = 0
        async for event, _ in school.store.read(Selection(tags=("course:maths",))):
            if isinstance(event, CourseDefined | SeatsChanged):
                seats = event.seats
            taken += isinstance(event, StudentEnrolled)
            assert taken <= seats
        assert taken == seats
