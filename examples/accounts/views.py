"""What is asked about accounts: a row for each account, and a statement of what happened on it."""

from datetime import datetime

from everfold import Page, Projection, Query, ReadModel, Record, Table, answer, project
from examples.accounts.domain import AccountClosed, AccountOpened, MoneyDeposited, MoneyWithdrawn


class AccountSummary(ReadModel, key="account_id", indexes=["owner"]):
    account_id: str
    owner: str
    balance: int
    is_open: bool = True


class StatementLine(ReadModel, key=("account_id", "version")):
    account_id: str
    version: int
    at: datetime
    amount: int
    balance: int


class GetAccount(Query[AccountSummary]):
    account_id: str


class GetAccountsOf(Query[list[AccountSummary]]):
    owner: str


class GetStatement(Query[Page[StatementLine]]):
    """The newest lines first."""

    account_id: str
    limit: int = 20
    offset: int = 0


class Accounts(Projection):
    summaries: Table[AccountSummary]
    lines: Table[StatementLine]

    @project
    def opened(self, event: AccountOpened, record: Record) -> None:
        self.summaries.put(AccountSummary(record.key, event.owner, 0))
        self._book(event.initial_balance, record)

    @project
    def deposited(self, event: MoneyDeposited, record: Record) -> None:
        self._book(event.amount, record)

    @project
    def withdrawn(self, event: MoneyWithdrawn, record: Record) -> None:
        self._book(-event.amount, record)

    @project
    def closed(self, event: AccountClosed, record: Record) -> None:
        self.summaries[record.key].is_open = False

    def _book(self, amount: int, record: Record) -> None:
        account = self.summaries[record.key]
        account.balance += amount
        self.lines.put(StatementLine(record.key, record.version, record.time, amount, account.balance))

    @answer
    def one(self, query: GetAccount) -> AccountSummary:
        return self.summaries[query.account_id]

    @answer
    def of_owner(self, query: GetAccountsOf) -> list[AccountSummary]:
        return self.summaries.find(owner=query.owner, order_by="-balance")

    @answer
    def statement(self, query: GetStatement) -> Page[StatementLine]:
        self.summaries[query.account_id]  # an account that does not exist has no statement, not an empty one
        return self.lines.page(account_id=query.account_id, order_by="-version", limit=query.limit, offset=query.offset)
