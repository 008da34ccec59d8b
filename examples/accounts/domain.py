"""A bank account as an aggregate: events, commands, and the rules between them."""

from typing import Annotated

from msgspec import Meta

from everfold import Aggregate, Command, Event, Events, Rejected, decide, evolve

Cents = Annotated[int, Meta(gt=0)]


class AccountOpened(Event):
    owner: str
    initial_balance: int


class MoneyDeposited(Event):
    amount: Cents


class MoneyWithdrawn(Event):
    amount: Cents


class AccountClosed(Event):
    pass


class OpenAccount(Command):
    account_id: str
    owner: str
    initial_balance: Annotated[int, Meta(ge=0)] = 0


class Deposit(Command):
    account_id: str
    amount: Cents


class Withdraw(Command[int]):
    """Replies with the balance that is left."""

    account_id: str
    amount: Cents


class CloseAccount(Command):
    account_id: str


class Account(Aggregate, key="account_id"):
    """A bank account whose balance never falls below zero."""

    is_open: bool = False
    balance: int = 0

    @decide
    def open(self, command: OpenAccount) -> Events:
        if self.is_open:
            raise Rejected("account-exists", "The account is open already.")
        yield AccountOpened(owner=command.owner, initial_balance=command.initial_balance)

    @decide
    def deposit(self, command: Deposit) -> Events:
        self._check_open()
        yield MoneyDeposited(amount=command.amount)

    @decide
    def withdraw(self, command: Withdraw) -> Events[int]:
        self._check_open()
        if command.amount > self.balance:
            raise Rejected("insufficient-funds", f"The balance is {self.balance}.", balance=self.balance)
        yield MoneyWithdrawn(amount=command.amount)
        return self.balance

    @decide
    def close(self, command: CloseAccount) -> Events:
        """Closing a closed account is fine: there is nothing to record."""
        if not self.is_open:
            return
        if self.balance:
            raise Rejected("balance-left", f"Withdraw the {self.balance} that are left first.", balance=self.balance)
        yield AccountClosed()

    @evolve
    def opened(self, event: AccountOpened) -> None:
        self.is_open, self.balance = True, event.initial_balance

    @evolve
    def deposited(self, event: MoneyDeposited) -> None:
        self.balance += event.amount

    @evolve
    def withdrawn(self, event: MoneyWithdrawn) -> None:
        self.balance -= event.amount

    @evolve
    def closed(self, event: AccountClosed) -> None:
        self.is_open = False

    def _check_open(self) -> None:
        if not self.is_open:
            raise Rejected("account-not-open", "The account is not open.")
