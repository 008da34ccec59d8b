"""Decision models: the boundary is inferred from tagged fields and evolutions."""

# pyright: reportUnusedClass=false

import types
from typing import Annotated, Any

import msgspec
import pytest

from everfold import Command, DecisionModel, Event, Events, Tag, decide, evolve
from everfold.domain.tag import TagField
from everfold.errors import DefinitionError

CourseId = Annotated[str, Tag("course")]
StudentId = Annotated[str, Tag("student")]


class CourseDefined(Event):
    course_id: CourseId
    seats: int


class StudentEnrolled(Event):
    course_id: CourseId
    student_id: StudentId


class Noted(Event):
    text: str


class Enrol(Command):
    course_id: str
    student_id: str


class Enrolment(DecisionModel):
    course_id: CourseId
    student_id: StudentId
    seats: int = 0
    courses: set[str] = set()  # noqa: RUF012 (copied for every instance)

    @decide
    def enrol(self, command: Enrol) -> Events:
        yield StudentEnrolled(course_id=command.course_id, student_id=command.student_id)

    @evolve
    def defined(self, event: CourseDefined) -> None:
        self.seats = event.seats

    @evolve
    def enrolled(self, event: StudentEnrolled) -> None:
        self.courses.add(event.course_id)


def make(base: type = DecisionModel, **body: Any) -> Any:
    keywords = {name: body.pop(name) for name in ("category",) if name in body}
    body |= {"__module__": __name__, "__qualname__": "Broken"}
    return types.new_class("Broken", (base,), keywords, lambda namespace: namespace.update(body))


def test_the_boundary_is_every_event_type_with_one_of_the_tags() -> None:
    definition = Enrolment.__everfold__
    assert definition.category == "enrolment"
    assert definition.tags == (TagField("course_id", "course", False), TagField("student_id", "student", False))
    assert definition.types_by_field == {
        "course_id": ("course-defined", "student-enrolled"),
        "student_id": ("student-enrolled",),
    }
    assert list(definition.decisions) == [Enrol]


def test_two_fields_may_have_the_same_tag() -> None:
    class Swapped(Event):
        courses: list[CourseId]

    class Swap(DecisionModel, category="swaps"):
        one: CourseId
        other: CourseId

        @evolve
        def swapped(self, event: Swapped) -> None: ...

    assert Swap.__everfold__.types_by_field == {"one": ("swapped",), "other": ("swapped",)}
    assert Swap.__everfold__.category == "swaps"


def test_a_subclass_inherits_decisions_and_evolutions() -> None:
    class Trial(Enrolment):
        @evolve
        def defined(self, event: CourseDefined) -> None:
            self.seats = 1

    assert Trial.__everfold__.decisions == Enrolment.__everfold__.decisions
    assert Trial.__everfold__.evolutions[CourseDefined] is Trial.defined


def test_state_is_not_shared() -> None:
    one = Enrolment(course_id="c", student_id="s")
    one.courses.add("c")
    assert Enrolment(course_id="c", student_id="s").courses == set()


DESCRIBED = Annotated[CourseId | None, msgspec.Meta(description="a course")]


@pytest.mark.parametrize("annotation", [str, list[CourseId], CourseId | None, DESCRIBED])
def test_a_model_needs_tagged_fields_with_one_value(annotation: Any) -> None:
    with pytest.raises(
        DefinitionError, match=r"Broken needs fields such as course_id: Annotated\[str, Tag\('course'\)\]"
    ):
        make(__annotations__={"course_id": annotation}, course_id="c")


def test_other_fields_need_a_default() -> None:
    with pytest.raises(DefinitionError, match="the field 'seats' needs a default, which it has before the first event"):
        make(__annotations__={"course_id": CourseId, "seats": int})


def test_an_event_without_any_of_the_tags_is_refused() -> None:
    with pytest.raises(DefinitionError, match=r"Broken evolves by Noted, which carries none of its tags \(course\)"):

        class Broken(DecisionModel):
            course_id: CourseId

            @evolve
            def noted(self, event: Noted) -> None: ...


def test_a_tag_that_no_event_carries_is_refused() -> None:
    with pytest.raises(
        DefinitionError, match=r"no event it evolves by carries the tag of student_id. Remove the field"
    ):

        class Broken(DecisionModel):
            course_id: CourseId
            student_id: StudentId

            @evolve
            def defined(self, event: CourseDefined) -> None: ...


def test_a_command_needs_the_tagged_fields() -> None:
    class Close(Command):
        course_id: str

    with pytest.raises(
        DefinitionError, match=r"Broken decides .*Close, which has no field student_id. Add it, or decide"
    ):

        class Broken(Enrolment):
            @decide
            def close(self, command: Close) -> None: ...


def test_the_tagged_fields_of_a_command_must_not_be_optional() -> None:
    class Close(Command):
        course_id: str
        student_id: StudentId | None = None

    with pytest.raises(
        DefinitionError, match=r"Close, whose field student_id may be None. It says which events to see"
    ):

        class Broken(Enrolment):
            @decide
            def close(self, command: Close) -> None: ...


def test_a_bad_category_is_refused() -> None:
    with pytest.raises(DefinitionError, match="Give another with category="):
        make(Enrolment, category="has-dash")
