"""Courses with a number of seats, students with a limit of courses, and the decisions between them."""

from typing import Annotated

from msgspec import Meta

from everfold import Command, DecisionModel, Event, Events, Rejected, Tag, decide, evolve

MAX_COURSES = 3

CourseId = Annotated[str, Tag("course")]
StudentId = Annotated[str, Tag("student")]
Seats = Annotated[int, Meta(ge=1, le=10_000)]


class CourseDefined(Event):
    course_id: CourseId
    title: str
    seats: Seats


class SeatsChanged(Event):
    course_id: CourseId
    seats: Seats


class StudentEnrolled(Event):
    course_id: CourseId
    student_id: StudentId


class StudentWithdrew(Event):
    course_id: CourseId
    student_id: StudentId


class DefineCourse(Command):
    course_id: str
    title: str
    seats: Seats


class ChangeSeats(Command):
    course_id: str
    seats: Seats


class Enrol(Command[int]):
    """Replies with the number of seats that are left."""

    course_id: str
    student_id: str


class Withdraw(Command):
    course_id: str
    student_id: str


class Course(DecisionModel):
    """A course by itself: it is defined once, and never has fewer seats than students."""

    course_id: CourseId
    is_defined: bool = False
    seats: int = 0
    taken: int = 0

    @decide
    def define(self, command: DefineCourse) -> Events:
        if self.is_defined:
            raise Rejected("course-exists", f"The course {command.course_id} is defined already.")
        yield CourseDefined(course_id=command.course_id, title=command.title, seats=command.seats)

    @decide
    def change_seats(self, command: ChangeSeats) -> Events:
        if not self.is_defined:
            raise Rejected("no-such-course", f"There is no course {command.course_id}.")
        if command.seats < self.taken:
            raise Rejected("seats-taken", f"{self.taken} seats are taken already.", taken=self.taken)
        if command.seats != self.seats:
            yield SeatsChanged(course_id=command.course_id, seats=command.seats)

    @evolve
    def defined(self, event: CourseDefined) -> None:
        self.is_defined, self.seats = True, event.seats

    @evolve
    def changed(self, event: SeatsChanged) -> None:
        self.seats = event.seats

    @evolve
    def enrolled(self, event: StudentEnrolled) -> None:
        self.taken += 1

    @evolve
    def withdrew(self, event: StudentWithdrew) -> None:
        self.taken -= 1


class Enrolment(DecisionModel):
    """Seats of a course and courses of a student, decided together.

    It sees the events of this course, whoever enrols, and those of this student, whatever the course.
    """

    course_id: CourseId
    student_id: StudentId
    is_defined: bool = False
    is_enrolled: bool = False
    seats: int = 0
    taken: int = 0
    courses_taken: int = 0

    @property
    def seats_left(self) -> int:
        return self.seats - self.taken

    @decide
    def enrol(self, command: Enrol) -> Events[int]:
        if not self.is_defined:
            raise Rejected("no-such-course", f"There is no course {command.course_id}.")
        if self.is_enrolled:
            raise Rejected("already-enrolled", f"{command.student_id} is enrolled already.")
        if self.courses_taken >= MAX_COURSES:
            raise Rejected("too-many-courses", f"{command.student_id} takes {MAX_COURSES} courses.", limit=MAX_COURSES)
        if self.seats_left <= 0:
            raise Rejected("course-full", f"The course {command.course_id} is full.")
        yield StudentEnrolled(course_id=command.course_id, student_id=command.student_id)
        return self.seats_left

    @decide
    def withdraw(self, command: Withdraw) -> Events:
        """Leaving a course one is not in is fine: there is nothing to record."""
        if self.is_enrolled:
            yield StudentWithdrew(course_id=command.course_id, student_id=command.student_id)

    @evolve
    def defined(self, event: CourseDefined) -> None:
        self.is_defined, self.seats = True, event.seats

    @evolve
    def changed(self, event: SeatsChanged) -> None:
        self.seats = event.seats

    @evolve
    def enrolled(self, event: StudentEnrolled) -> None:
        self._count(event, 1)

    @evolve
    def withdrew(self, event: StudentWithdrew) -> None:
        self._count(event, -1)

    def _count(self, event: StudentEnrolled | StudentWithdrew, change: int) -> None:
        """The event is about this course, or about this student, or about both."""
        is_course, is_student = event.course_id == self.course_id, event.student_id == self.student_id
        self.taken += change if is_course else 0
        self.courses_taken += change if is_student else 0
        if is_course and is_student:
            self.is_enrolled = change > 0
