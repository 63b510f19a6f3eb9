"""Words and layouts every module of the core shares. Integers only.

exchange/records.py has the records as NumPy dtypes; a test holds sizes and offsets against them.

Money is int64 micro-dollars, quantity int32 lots, price int32 ticks, time int64 nanoseconds.
Slots are uint32 indices into arenas, never pointers, so state can be hashed and moved.
"""

from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t


cdef enum:
    NIL = 0xFFFFFFFF            # No slot.
    NO_BID = -1                 # Best price of an empty side.
    NO_ASK = 0x7FFFFFFF

cdef enum:                      # Sides.
    BUY = 0
    SELL = 1

cdef enum:                      # Command types: the numbers of the wire where the wire has them.
    C_PLACE = 16
    C_CANCEL = 17
    C_CANCEL_REF = 18
    C_REPLACE = 19
    C_MASS_CANCEL = 21
    C_QUOTE = 22
    C_MMP_SET = 23
    C_MMP_RESET = 24
    C_BLOCK = 26
    C_REPLACE_REF = 28
    C_TIME = 200
    C_DEPOSIT = 201
    C_WITHDRAW = 202
    C_SESSION_LOST = 203
    C_SESSION = 204
    C_RARE_FIRST = 220          # From here on: commands with a payload, handled by exchange/engine.py.

cdef enum:                      # Event types: the numbers of the wire where the wire has them.
    E_ACK = 33
    E_REJECT = 34
    E_FILL = 35
    E_DONE = 37
    E_REPLACED = 38
    E_ACCOUNT = 40
    E_NOTICE = 41
    E_TRADE = 97
    E_LEVEL = 99
    E_STATUS = 101
    E_INSTRUMENT = 103
    E_INDICATIVE = 107
    E_PERISHED = 108
    E_ASSIGNED = 110
    E_BOUGHT_IN = 111
    E_CAPACITY = 112
    E_ENTRY = 114
    E_MARGIN = 115
    E_LOT_STATE = 116
    E_DEFAULT = 117
    E_SUBSTITUTE = 118
    E_LAYER = 119
    E_AUCTION = 120
    E_MARK = 121
    E_CLAIM = 122
    E_EXERCISE = 123
    E_INDEX = 124
    E_SESSION = 204             # Of the journal only; the wire has no message for it.

cdef enum:                      # Time in force.
    GTG = 0
    IOC = 1
    FOK = 2
    GTD = 3
    AU = 4                      # Auction only.

cdef enum:                      # Life of a window (exchange/records.py: Phase).
    P_LISTED = 0
    P_CONTINUOUS = 1
    P_OPEN = 2
    P_HALTED = 3
    P_GATED = 4
    P_DELIVERING = 5
    P_SETTLED = 6
    P_EXPIRED = 7
    P_PRECLOSE = 8
    P_VOLATILITY = 9
    P_BALANCING = 10
    P_BALANCE_END = 32          # In a schedule only.

cdef enum:                      # Self-match prevention.
    STP_CANCEL_RESTING = 0
    STP_CANCEL_INCOMING = 1
    STP_CANCEL_BOTH = 2
    STP_DECREMENT = 3

cdef enum:                      # Command flags of place, replace and quote.
    F_POST_ONLY = 1
    F_REDUCE_ONLY = 2
    F_COD = 4
    F_KEEP_PRIORITY = 8         # replace only
    F_PHYSICAL = 16
    F_STANDBY = 32
    F_FIRM = 64

cdef enum:                      # Command flags of mass cancel: which filters are set.
    M_INSTRUMENT = 1
    M_PRODUCT = 2
    M_SIDE = 4
    M_WINDOWS = 8
    M_TAG = 16
    M_LANE = 32

cdef enum:                      # What a session note says (exchange/records.py: SessionNote).
    S_FIRED = 5

cdef enum:                      # Event flags.
    V_SELL = 1                  # Side of the order; for a trade, of the aggressor.
    V_TAKER = 2
    V_DUPLICATE = 4
    V_QUOTE = 8
    V_CALL = 16                 # Of an uncross.
    V_BLOCK = 32
    V_BALANCE = 64

cdef enum:                      # Order meta: flags in the low byte, generation above.
    O_POST_ONLY = 1
    O_REDUCE_ONLY = 2
    O_COD = 4
    O_QUOTE = 8
    O_GTD = 16
    O_ICEBERG = 32              # Not part of the canonical flags: display says it.
    O_BLOCK = 64                # Not in a book: `level` is its place among the blocks.
    O_PHYSICAL = 128            # A sell backed by capacity; behind the gate a standby sell.
    META_BITS = 8
    GENERATION_MAX = 0xFFFFFF

cdef enum:                      # Handles: the slot in the low bits, its generation above.
    SLOT_BITS = 28
    SLOT_MASK = (1 << SLOT_BITS) - 1

cdef enum:                      # Limits; each is described in docs/limits.md.
    PRICE_MAX_TICKS = 1 << 30
    LOTS_MAX = 1 << 30
    ICEBERG_REFRESHES_MAX = 1000
    LANE_OUTCOMES_MAX = 4096
    QUOTE_LANES = 256           # Lanes 256..511 of an account hold its quote sets.
    FABRICS_MAX = 64
    BLOCK_HOURS_MAX = 168
    BLOCKS_PER_PRODUCT_MAX = 10000
    BLOCKS_PER_ACCOUNT_MAX = 200
    MMP_WINDOW_MAX_MS = 86400000
    SCHEDULE_MOMENTS_MAX = 8

cdef enum:
    AUCTION_ONLY = -1           # Terms.display of an auction-only order.
    FIRM_OFFER = -2             # Terms.display of a standby sell that its owner cannot take back.
    BLOCK_HOURS_SHIFT = 8       # A block's hours are the high byte of its flags.


cdef struct Command:            # 64 bytes; the first eight are the journal's record prefix.
    uint32_t length             # Bytes of the whole record, a multiple of 64; more than 64 with a payload.
    uint16_t type
    uint16_t flags
    uint32_t account
    uint32_t instrument
    uint64_t ref
    uint64_t target             # cancel, replace: handle or ref. quote: leg | legs << 32. mass cancel: from | to << 32.
    int64_t amount              # place GTD: expiry ns. time: now ns. deposit, withdraw: micros.
    int32_t price               # ticks; quote: bid
    int32_t lots                # quote: bid
    int32_t price_2             # quote: ask; mass cancel: product
    int32_t lots_2              # place: displayed lots of an iceberg, 0 for none; quote: ask
    uint32_t tag
    uint8_t lane
    uint8_t side                # quote: set; session lost: 1 = every order of the lane
    uint8_t tif                 # mass cancel: the lane to cancel
    uint8_t stp


cdef struct Event:              # 64 bytes.
    uint8_t type
    uint8_t flags
    uint8_t reason
    uint8_t lane                # With V_QUOTE: the quote set.
    uint32_t command            # Offset of its command from the batch's first sequence number.
    uint32_t account
    uint32_t instrument
    uint64_t oid
    uint64_t ref
    uint64_t match_id
    int32_t price
    int32_t lots
    int32_t cum
    int32_t leaves
    int64_t amount              # fill: fee; level: shown lots; account: balance


cdef struct Order:              # 32 bytes: what matching and cancelling touch, two orders to a cache line.
    uint32_t prev               # Towards the front of the level.
    uint32_t next               # Towards the back; the next free slot when free.
    uint32_t level
    uint32_t meta               # generation << 8 | flags
    int32_t leaves              # Hidden part of an iceberg included; 0: the slot holds no live order.
    int32_t shown
    int32_t cum
    uint32_t owner              # Group for self-match prevention.


cdef struct Terms:              # 32 bytes beside each order: what its owner and its account need.
    uint64_t ref
    uint32_t position
    uint32_t lane               # Slot of the (account, lane) record.
    uint32_t mine_prev          # Orders of one position in order of entry.
    uint32_t mine_next
    uint32_t tag
    int32_t display             # Lots shown at a time; read only with O_ICEBERG. Else AUCTION_ONLY or FIRM_OFFER.


cdef struct Level:              # 40 bytes.
    uint32_t head               # Front order; of a free level the next free one.
    uint32_t tail
    int32_t price
    uint32_t orders
    int64_t shown
    int64_t total
    uint32_t book
    uint8_t side
    uint8_t dirty
    uint16_t unused


cdef struct Side:               # 20 bytes.
    uint32_t root               # Trie node, or NIL when the side is empty.
    uint32_t shift              # 6 * height: a key's bits under the root. 6: the root's children are levels.
    uint32_t prefix             # Every key under the root has this in front: key >> shift.
    uint32_t best               # Slot of the best level that holds an order, or NIL.
    int32_t best_price          # Its price; of an empty side a price that nothing reaches: NO_BID, NO_ASK.


cdef struct Book:
    Side side[2]
    uint32_t unused[6]          # A book is one cache line.


cdef enum:                      # What a match step did.
    FILL_TRADE = 0
    FILL_STP_CANCEL = 1         # The resting order leaves by self-match prevention.
    FILL_STP_DECREMENT = 2      # Both sides shrink without a trade.


cdef struct Fill:               # 32 bytes.
    uint64_t maker              # Handle.
    int32_t price
    int32_t lots
    int32_t maker_leaves
    int32_t taker_leaves
    uint32_t kind
    uint32_t owner              # The maker's.


cdef struct Position:           # 64 bytes: one account in one instrument.
    uint32_t account
    uint32_t instrument
    int64_t lots
    int64_t open_buy
    int64_t open_sell
    int64_t requirement         # As last evaluated, micros.
    uint32_t head               # This position's orders in order of entry.
    uint32_t tail
    uint32_t next_of_account
    uint32_t next_of_instrument
    uint32_t touched
    uint32_t orders


cdef extern from "checked.h":
    ctypedef long long wide_t   # In C: a 128-bit integer.
    int64_t MONEY_MAX


cdef struct Capacity:           # Beside each position: what its account may deliver (MKT-020).
    int64_t certified
    int64_t block_sell          # Leaves of resting sell blocks with a leg there.


cdef enum:                      # What Account.kind is made of; 0: an account that is not checked where rates are 0.
    A_MARGINED = 1
    A_PREPAID = 2               # Pays in full and is never short (RSK-009).


cdef struct Account:            # 128 bytes; what orders and fills touch is in the first line.
    wide_t requirement          # Sum over its positions and its resting blocks, and its add-on.
    wide_t balance              # Micros.
    int64_t credit              # Micros; void with the next fill (RSK-008).
    int64_t block_lots          # Leaves of its resting blocks.
    uint32_t group
    uint32_t kind
    uint32_t open_orders
    uint32_t blocks             # Resting ones.
    uint32_t first_position
    uint32_t last_position
    uint32_t first_block        # Their slots in order of entry.
    uint32_t last_block
    int64_t addon               # Micros; counted in `requirement` (RSK-007).
    int64_t keep                # What a withdrawal leaves of the balance (ACC-007).
    int64_t unused[4]


cdef struct Instrument:         # 64 bytes: one cache line.
    int64_t lot_micros
    int64_t long_micros
    int64_t short_micros
    int32_t window
    int32_t mark                # Ticks; -1 before the first trade or mark.
    int32_t last                # Price of the last trade, -1 before.
    uint32_t product
    uint32_t maker_fee_ppm
    uint32_t taker_fee_ppm
    uint32_t first_position
    uint32_t last_position
    uint16_t static_bps
    uint16_t dynamic_bps
    uint8_t phase
    uint8_t balancing           # Standby sells may rest.
    uint8_t fabric
    uint8_t unused


cdef struct Schedule:           # Of each instrument (MKT-001).
    int64_t at_ns[SCHEDULE_MOMENTS_MAX]
    int64_t resume_ns           # End of a volatility call; 0: there is none.
    int64_t volatility_call_ns
    uint64_t traded_seq         # The last command that traded in it, and the dynamic band's reference before that.
    int32_t reference_before
    uint8_t phase[SCHEDULE_MOMENTS_MAX]
    uint8_t next
    uint8_t count
    uint8_t indicated           # Noted for the present command's indications.


cdef struct Block:              # Beside the order of the same block, which has leaves, cum, owner, ref and tag.
    uint64_t scope              # A bit a fabric.
    uint64_t sequence           # Its priority.
    int64_t reserve             # Micros a lot.
    uint32_t slot
    uint32_t product
    uint32_t account
    uint32_t place              # On the product's shelf.
    int32_t start
    int32_t hours
    int32_t limit
    int32_t least               # Lots of its next trade at least.
    uint32_t next_hit           # The next of the blocks that were partly hit; of a free one the next free one.
    uint8_t side
    uint8_t resting
    uint8_t is_hit
    uint8_t unused


cdef struct Outcome:
    uint64_t ref
    uint64_t oid
    uint8_t type
    uint8_t reason


cdef struct Lane:
    Outcome *outcomes           # Ring of up to LANE_OUTCOMES_MAX.
    uint64_t last_ref
    uint32_t account
    int32_t last_leg
    uint32_t first              # Index of the oldest outcome.
    uint32_t kept
    uint32_t capacity
    uint32_t number             # 0..255 a client's lane, 256 + set for quotes.
    int64_t mmp_until_ns        # Market-maker protection of a quote set (MMP-002): end of the window ...
    int64_t mmp_window_ms
    int64_t mmp_lots            # ... and what was counted in it.
    int32_t mmp_fills
    int32_t mmp_fills_max
    int32_t mmp_lots_max
    uint32_t mmp_frozen
    uint32_t mmp_number         # Counts the protections in order of creation, from 1; 0: there is none.


cdef struct Expiry:
    int64_t expiry_ns
    uint64_t seq
    uint64_t oid
