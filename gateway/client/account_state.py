"""What the account has, kept up by the venue itself: money and lots as its engine has them, not as fills add up."""

import abc
import asyncio

from exchange.reasons import RejectReason
from gateway.client.errors import RequestRefused
from gateway.client.events import Balance, Position
from gateway.protocol import Channel


class AccountState:
    """Balance and positions of one state, never half of it. Without a connection it is not `is_current`."""

    def __init__(self, conflate_ms: int) -> None:
        self.conflate_ms = conflate_ms
        self.balance = Balance(0, 0, 0, 0, 0)
        self.positions: dict[int, Position] = {}  # By instrument, those with lots or open orders.
        self.is_current = False
        self.subscribing: asyncio.Task[int] | None = None
        self._told: list[Position] = []  # Of the state whose balance is still to come.
        self._changed = asyncio.Event()
        self._ending: Exception | None = None

    @property
    def gseq(self) -> int:
        """The last command that is in it."""
        return self.balance.gseq

    def __getitem__(self, inst: int) -> Position:
        """Return the position in an instrument, of zeros where there is none."""
        return self.positions.get(inst) or Position(inst, 0, 0, 0, self.gseq)

    async def changed(self) -> None:
        """Wait for the next state. Raises ConnectionClosed when the session ends first."""
        if self._ending is None:
            self._changed.clear()
            await self._changed.wait()
        if self._ending is not None:
            raise self._ending

    def take(self, position: Position) -> None:
        """Take a position; it holds when the balance of its state is there."""
        self._told.append(position)

    def load(self, balance: Balance) -> None:
        """Take the balance, the end of a state: of everything the first time, else of what has changed."""
        if not self.is_current:
            self.positions.clear()
        for position in self._told:
            if position.net or position.open_buy or position.open_sell:
                self.positions[position.inst] = position
            else:
                self.positions.pop(position.inst, None)
        self._told.clear()
        self.balance, self.is_current = balance, True
        self._changed.set()

    def on_lost(self) -> None:
        """Note that the connection is gone: the next one begins with everything."""
        self.is_current = False
        self._told.clear()

    def end(self, ending: Exception) -> None:
        """Nothing more will come."""
        self.is_current, self._ending = False, ending
        self._changed.set()


class AccountFeed(abc.ABC):
    """The account's state, as a session has it."""

    account_state: AccountState | None = None

    @abc.abstractmethod
    async def subscribe_state(self, channel: Channel, conflate_ms: int = 0) -> int:
        """Subscribe to a channel that has no instruments; return the subscription's number."""

    async def follow_account(self, *, conflate_ms: int = 0) -> AccountState:
        """Return the account's state, kept up until the session ends; the same one to whoever asks again.

        It is told when it is durable. Events `Position` and `Balance` can be read, too, from then on.

        Args:
            conflate_ms: 10 to 60,000: it changes at most once in this time; 0: in a second.

        Raises:
            RequestRefused: SCOPE for a key that hears nothing private, MALFORMED where it is followed at another pace.
            ConnectionClosed: the session ended first.

        """
        state = self.account_state
        if state is None:
            state = self.account_state = AccountState(conflate_ms)
            state.subscribing = asyncio.get_running_loop().create_task(
                self.subscribe_state(Channel.ACCOUNT, conflate_ms)
            )
        elif state.conflate_ms != conflate_ms:
            raise RequestRefused(RejectReason.MALFORMED)
        assert state.subscribing is not None
        try:
            await asyncio.shield(state.subscribing)
        except RequestRefused:
            self.account_state = None if self.account_state is state else self.account_state
            raise
        while not state.is_current:
            await state.changed()
        return state

    def _on_position(self, position: Position) -> None:
        if self.account_state is not None:
            self.account_state.take(position)

    def _on_balance(self, balance: Balance) -> None:
        if self.account_state is not None:
            self.account_state.load(balance)

    def _lose_account(self) -> None:
        if self.account_state is not None:
            self.account_state.on_lost()

    def _end_account(self, ending: Exception) -> None:
        if self.account_state is not None:
            self.account_state.end(ending)
