"""The enrolment application: ``everfold run examples.enrolment.app:app``."""

from everfold import App, EventStore, Query, Selection
from examples.enrolment.domain import Course, Enrolment, StudentEnrolled, StudentWithdrew


class CoursesOf(Query[list[str]]):
    """The courses a student takes, in the order of enrolment."""

    student_id: str


app = App("enrolment", Course, Enrolment)


@app.answers(CoursesOf)
async def courses_of(query: CoursesOf, events: EventStore) -> list[str]:
    """Read from the log by the student's tag."""
    courses: list[str] = []
    async for event, _ in events.read(Selection(tags=(f"student:{query.student_id}",))):
        if isinstance(event, StudentEnrolled):
            courses.append(event.course_id)
        elif isinstance(event, StudentWithdrew):
            courses.remove(event.course_id)
    return courses
