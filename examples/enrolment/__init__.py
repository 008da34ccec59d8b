"""Courses and students: a rule over two things at once, without an aggregate that is neither.

A course has a number of seats, a student takes at most three courses, and nobody enrols twice. The rule concerns one
course *and* one student, so neither can decide alone. With aggregates one would need a third thing that locks both, or
a process that enrols first and takes it back later. Here the boundary of a decision is what it is about:

- events carry tags: ``CourseId = Annotated[str, Tag("course")]`` makes ``StudentEnrolled(course_id="maths", ...)`` a
  record with the tag ``course:maths``, and with ``student:ann`` too;
- a decision model names the tags it decides on by its fields, and the events it needs by its evolutions. From that
  follows what is read (the events of these types with one of these tags) and the condition of the append (none of
  those was recorded meanwhile).

Two students who want the last seat conflict, and one of them is decided again on the newest facts: the course is full.
Students of different courses never wait for each other.

Run it::

    everfold run examples.enrolment.app:app

``domain.py`` holds the rules, ``app.py`` the application, ``test_enrolment.py`` shows that the seats hold.
"""
