"""A ledger of booked transactions: how an existing bank's history is taken over, rounding corrections and all."""

import datetime as dt

from everfold import Aggregate, Command, Event, Events, Rejected, decide, evolve


class TransactionBooked(Event):
    transaction_id: str
    booked_on: dt.date
    operation: str
    amount: int
    """Cents; negative for money that left."""


class RoundingCorrected(Event):
    """The old system's balance moved by some cents more than the transaction says; the difference is a fact, too."""

    transaction_id: str
    amount: int


class BookTransaction(Command[int]):
    """Replies with the balance in cents."""

    account_id: str
    sequence: int
    """The number of the transaction within its account, from 1."""
    transaction_id: str
    booked_on: dt.date
    operation: str
    amount: int
    correction: int = 0


class Ledger(Aggregate, key="account_id"):
    """An account as the old bank booked it: in order, without gaps."""

    transactions: int = 0
    balance: int = 0

    @decide
    def book(self, command: BookTransaction) -> Events[int]:
        if command.sequence != self.transactions + 1:
            raise Rejected("out-of-order", f"Transaction {self.transactions + 1} is next.", next=self.transactions + 1)
        yield TransactionBooked(
            transaction_id=command.transaction_id,
            booked_on=command.booked_on,
            operation=command.operation,
            amount=command.amount,
        )
        if command.correction:
            yield RoundingCorrected(transaction_id=command.transaction_id, amount=command.correction)
        return self.balance

    @evolve
    def booked(self, event: TransactionBooked) -> None:
        self.transactions += 1
        self.balance += event.amount

    @evolve
    def corrected(self, event: RoundingCorrected) -> None:
        self.balance += event.amount
