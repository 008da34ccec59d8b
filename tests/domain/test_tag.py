"""Tags: declared on fields, read from values."""

import enum
import uuid
from collections.abc import Sequence
from typing import Annotated, Any, NewType, Optional

import msgspec
import pytest

from everfold import Event, Tag
from everfold.domain.tag import TagField, tag_fields, tag_reader, tag_text
from everfold.errors import DefinitionError, InvalidName

CourseId = Annotated[str, Tag("course")]
StudentId = Annotated[uuid.UUID, Tag("student")]
Isbn = NewType("Isbn", Annotated[str, Tag("book")])  # pyright: ignore (works at run time)


class Term(enum.Enum):
    SPRING = "spring"


class Enrolled(Event):
    course_id: CourseId
    student_id: StudentId
    note: str = ""


class Grouped(Event):
    courses: list[CourseId]
    other: tuple[CourseId, ...] = ()


def read(cls: type, **values: Any) -> tuple[str, ...]:
    reader = tag_reader(tag_fields(cls))
    assert reader is not None
    return reader(cls(**values))


def annotated(annotation: Any) -> tuple[TagField, ...]:
    return tag_fields(type("Example", (), {"__annotations__": {"field": annotation}, "__module__": __name__}))


def test_tags_are_read_in_the_order_of_fields() -> None:
    student = uuid.UUID(int=7)
    assert read(Enrolled, course_id="c1", student_id=student) == ("course:c1", f"student:{student}")


def test_a_class_without_tags_has_no_reader() -> None:
    assert tag_reader(()) is None


READABLE: list[tuple[Any, bool]] = [
    (CourseId, False),
    (Optional[CourseId], False),  # noqa: UP045 (the old spelling)
    (Annotated[CourseId, msgspec.Meta(min_length=1)], False),
    (list[CourseId], True),
    (set[CourseId], True),
    (tuple[CourseId, ...], True),
    (Sequence[CourseId], True),
    (list[CourseId] | None, True),
    (list[CourseId | None], True),
    (Annotated[list[CourseId], msgspec.Meta(max_length=3)], True),
    (Annotated[list[str], Tag("course")], True),
]


@pytest.mark.parametrize(("annotation", "is_many"), READABLE)
def test_a_tag_is_found_on_a_value_or_on_the_elements_of_a_collection(annotation: Any, is_many: bool) -> None:
    assert annotated(annotation) == (TagField("field", "course", is_many),)


def test_a_tag_is_found_behind_a_new_type() -> None:
    assert annotated(Isbn) == (TagField("field", "book", is_many=False),)


@pytest.mark.parametrize("annotation", [str, list[str], dict[str, int], int | None])
def test_other_types_carry_no_tag(annotation: Any) -> None:
    assert annotated(annotation) == ()


@pytest.mark.parametrize(
    "annotation",
    [dict[CourseId, int], dict[str, CourseId], list[list[CourseId]], list[Annotated[list[str], Tag("course")]]],
)
def test_a_tag_too_deep_to_be_read_is_refused(annotation: Any) -> None:
    with pytest.raises(
        DefinitionError, match=r"the tag 'course' is too deep inside the field 'field'. Tag a single value"
    ):
        annotated(annotation)


def test_two_tags_on_one_field_are_refused() -> None:
    with pytest.raises(DefinitionError, match=r"the field 'field' carries 2 tags. Give it one"):
        annotated(Annotated[CourseId, Tag("lesson")])
    with pytest.raises(DefinitionError, match="carries 2 tags"):
        annotated(CourseId | StudentId)


@pytest.mark.parametrize("name", ["", "a:b", "has space", "1st", "x" * 61, 5])
def test_a_bad_tag_name_is_refused(name: Any) -> None:
    with pytest.raises(DefinitionError, match="the name of a tag begins with a letter"):
        Tag(name)


def test_each_element_gives_a_tag_once() -> None:
    assert read(Grouped, courses=["a", "b", "a"], other=("b", "c")) == ("course:a", "course:b", "course:c")
    assert read(Grouped, courses=["a", "a"]) == ("course:a",)


def test_none_gives_no_tag() -> None:
    class Moved(Event):
        course_id: CourseId | None = None
        former: list[CourseId] | None = None

    assert read(Moved) == ()
    assert read(Moved, course_id="c1") == ("course:c1",)


def test_none_among_elements_gives_no_tag() -> None:
    class Moved(Event):
        courses: list[CourseId | None]

    assert read(Moved, courses=[None, "c1", None]) == ("course:c1",)


def test_enums_are_tagged_by_their_value() -> None:
    assert tag_text("term", Term.SPRING) == "term:spring"


@pytest.mark.parametrize("value", ["", "x" * 400, "new\nline", "\x00", "\ud800"])
def test_a_value_that_cannot_be_a_tag_is_refused(value: str) -> None:
    with pytest.raises(InvalidName):
        tag_text("course", value)
