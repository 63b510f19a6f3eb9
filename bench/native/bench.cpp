// Runs the same stream through the baseline and through Hourglass' leaf book, both in plain C, and times them.
// Built by `make bench`, loaded with ctypes by bench/book.py, which passes the leaf book's functions as pointers.
#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <cstring>

#include <sys/mman.h>

#include "flow.hpp"
#include "map_book.hpp"

struct Fill {  // As ext/types.pxd.
    uint64_t maker;
    int32_t price, lots, maker_leaves, taker_leaves;
    uint32_t kind, owner;
};

struct Api {
    void *(*create)(uint32_t);
    void (*destroy)(void *);
    int (*add)(void *, int, int32_t, int32_t, uint32_t, int, int32_t, uint64_t *);
    int (*cancel)(void *, uint64_t);
    int (*replace)(void *, uint64_t, int32_t, int32_t);
    uint32_t (*fills)(void *, const Fill **);
    void (*prefetch)(void *, uint64_t);
};

struct Flow {
    std::vector<Op> prefill, timed;
    uint32_t ids = 0, live_at_end = 0;
};

namespace {

// One step of the stream, drawn so that the book stays near `live_wanted` orders around a wandering middle price.
struct Generator {
    Random random;
    MapBook book;
    Live live;
    uint32_t ids = 0, live_wanted;
    int32_t middle, width;
    Generator(uint64_t seed, uint32_t live_wanted_, int32_t middle_, int32_t width_)
        : random(seed), live_wanted(live_wanted_), middle(middle_), width(width_) {}

    void play(const Op &op) {
        auto on_fill = [this](uint64_t id, int32_t, int32_t, int32_t left) {
            if (left == 0) live.remove(id);
        };
        if (op.kind == 0) {
            book.add(op.id, op.side, op.price, op.lots, on_fill);
            if (book.orders.count(op.id)) live.add(op.id);
        } else if (op.kind == 1) {
            book.cancel(op.id);
            live.remove(op.id);
        } else {
            live.remove(op.id);
            book.replace(op.id, op.price, op.lots, on_fill);
            if (book.orders.count(op.id)) live.add(op.id);
        }
    }
    int32_t passive_price(int side) {  // Most orders near the touch: the smaller of two draws.
        int32_t away = (int32_t)std::min(random.below(width), random.below(width));
        return side == 0 ? middle - 1 - away : middle + 1 + away;
    }
    Op add(bool marketable) {
        uint8_t side = random.next() >> 63;
        int32_t price = passive_price(side), lots = 1 + (int32_t)random.below(100);
        if (marketable) {
            int32_t best = book.best(1 - side);
            price = best < 0 ? middle : side == 0 ? best + 2 : best - 2;
            lots = 1 + (int32_t)random.below(60);
        }
        return {0, side, price, lots, ids++};
    }
    Op step() {
        uint32_t dice = random.below(1000);
        if (random.below(64) == 0) middle += (int32_t)random.below(3) - 1;
        if (dice < 550 || live.ids.empty()) return add(random.below(100) < 30);
        if (dice < 950 && live.ids.size() < live_wanted) return add(false);  // A few cancels give way: the depth stays.
        uint32_t id = live.ids[random.below((uint32_t)live.ids.size())];
        if (dice < 950) return {1, 0, 0, 0, id};
        const auto &place = *book.orders[id];
        return {2, place.side, passive_price(place.side), 1 + (int32_t)random.below(100), id};
    }
};

double seconds_since(std::chrono::steady_clock::time_point start) {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

uint64_t play_map(MapBook &book, const std::vector<Op> &ops, Digest &digest) {
    auto on_fill = [&digest](uint64_t id, int32_t price, int32_t lots, int32_t) { digest.add(id, price, lots); };
    for (const Op &op : ops) {
        if (op.kind == 0) book.add(op.id, op.side, op.price, op.lots, on_fill);
        else if (op.kind == 1) book.cancel(op.id);
        else book.replace(op.id, op.price, op.lots, on_fill);
    }
    return digest.value;
}

// A client's table indexed by id. On huge pages, so that the figure is the book's cost and not the client's page walks.
template <class T>
struct Table {
    T *values;
    explicit Table(size_t count) {
        size_t bytes = (count * sizeof(T) + (2u << 20)) & ~(size_t)((2u << 20) - 1);
        values = static_cast<T *>(std::aligned_alloc(2u << 20, bytes));
        madvise(values, bytes, MADV_HUGEPAGE);
        std::memset(values, 0, bytes);
    }
    ~Table() { std::free(values); }
    Table(const Table &) = delete;
    T &operator[](size_t index) { return values[index]; }
};

struct Driver {  // Keeps the engine's handles by id, as a client of the engine would; orders carry their id as their owner.
    const Api &api;
    void *book;
    Table<uint64_t> handle_of;
    Driver(const Api &api_, uint32_t ids, uint32_t orders_max) : api(api_), book(api_.create(orders_max)), handle_of(ids) {}
    ~Driver() { api.destroy(book); }

    void told(Digest &digest) {
        const Fill *fills;
        uint32_t count = api.fills(book, &fills);
        for (uint32_t i = 0; i < count; i++) digest.add(fills[i].owner - 1, fills[i].price, fills[i].lots);
    }
    // A client that has its next operations at hand fetches their orders ahead; `ahead` 0 takes them one by one.
    void play(const std::vector<Op> &ops, Digest &digest, size_t ahead = 0) {
        for (size_t i = 0; i < ops.size(); i++) {
            const Op &op = ops[i];
            if (ahead && i + 2 * ahead < ops.size()) {
                __builtin_prefetch(&handle_of[ops[i + 2 * ahead].id]);
                if (ops[i + ahead].kind != 0) api.prefetch(book, handle_of[ops[i + ahead].id]);
            }
            if (op.kind == 0) {
                uint64_t handle;
                api.add(book, op.side, op.price, op.lots, op.id + 1, 0, 0, &handle);
                told(digest);
                handle_of[op.id] = handle;
            } else if (op.kind == 1) {
                api.cancel(book, handle_of[op.id]);
            } else {
                api.replace(book, handle_of[op.id], op.price, op.lots);
                told(digest);
            }
        }
    }
};

}  // namespace

extern "C" {

// A flow of `timed` operations on a book prefilled with `live` orders.
Flow *flow_make(uint64_t seed, uint32_t live, uint32_t timed, int32_t middle, int32_t width) {
    Flow *flow = new Flow;
    Generator generator(seed, live, middle, width);
    while (generator.live.ids.size() < live) {
        Op op = generator.add(false);
        generator.play(op);
        flow->prefill.push_back(op);
    }
    for (uint32_t i = 0; i < timed; i++) {
        Op op = generator.step();
        generator.play(op);
        flow->timed.push_back(op);
    }
    flow->ids = generator.ids;
    flow->live_at_end = (uint32_t)generator.live.ids.size();
    return flow;
}

// Hand-made flows that look for cliffs. 0: one price, many orders. 1: wide gaps. 2: one sweep of everything. 3: swings.
Flow *flow_cliff(uint64_t seed, int kind, uint32_t count) {
    Flow *flow = new Flow;
    Random random(seed);
    uint32_t ids = 0;
    for (uint32_t i = 0; i < count; i++) {
        int32_t price = kind == 0 ? 5000 : kind == 1 ? 1 + (int32_t)(i % 5000) * 100000 : kind == 2 ? 5000 + (int32_t)(i % 977) : 0;
        if (kind == 3) price = 100000 + (int32_t)(40000.0 * ((double)((i / 500) % 200) / 200.0)) + (int32_t)random.below(200);
        flow->prefill.push_back({0, (uint8_t)(kind == 3 ? 0 : 1), price, 1, ids++});
    }
    if (kind == 2) {
        flow->timed.push_back({0, 0, 100000, (int32_t)count, ids++});
    } else {
        std::vector<uint32_t> order(ids);
        for (uint32_t i = 0; i < ids; i++) order[i] = i;
        for (uint32_t i = ids - 1; i > 0; i--) std::swap(order[i], order[random.below(i + 1)]);
        for (uint32_t i = 0; i < count; i++) {
            Op old = flow->prefill[order[i]];
            flow->timed.push_back({1, 0, 0, 0, old.id});
            flow->timed.push_back({0, old.side, old.price, 1, ids++});
        }
    }
    flow->ids = ids;
    return flow;
}

void flow_free(Flow *flow) { delete flow; }
uint32_t flow_ids(Flow *flow) { return flow->ids; }
uint32_t flow_live(Flow *flow) { return flow->live_at_end; }
const Op *flow_ops(Flow *flow, int timed, uint32_t *count) {
    auto &ops = timed ? flow->timed : flow->prefill;
    *count = (uint32_t)ops.size();
    return ops.data();
}

// Seconds for the timed part; the digest of all fills and their number go out.
double run_map(Flow *flow, uint64_t *digest_out, uint64_t *fills_out) {
    MapBook book;
    Digest digest;
    book.orders.reserve(flow->prefill.size() + 1024);
    play_map(book, flow->prefill, digest);
    auto start = std::chrono::steady_clock::now();
    play_map(book, flow->timed, digest);
    double seconds = seconds_since(start);
    *digest_out = digest.value;
    *fills_out = digest.fills;
    return seconds;
}

double run_hourglass(Flow *flow, const Api *api, uint32_t orders_max, uint32_t ahead, uint64_t *digest_out, uint64_t *fills_out) {
    Driver driver(*api, flow->ids, orders_max);
    Digest digest;
    driver.play(flow->prefill, digest);
    auto start = std::chrono::steady_clock::now();
    driver.play(flow->timed, digest, ahead);
    double seconds = seconds_since(start);
    *digest_out = digest.value;
    *fills_out = digest.fills;
    return seconds;
}
}
