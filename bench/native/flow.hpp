// The workload: a seeded stream of adds, cancels of a random live order and replaces, with the fills it must give.
#pragma once
#include <cstdint>
#include <vector>

struct Op {
    uint8_t kind;  // 0 add, 1 cancel, 2 replace
    uint8_t side;  // 0 buy, 1 sell
    int32_t price;
    int32_t lots;
    uint32_t id;  // The order: adds count up from 0, cancels and replaces name one.
};

struct Random {  // xorshift64*: the same numbers on every machine.
    uint64_t state;
    explicit Random(uint64_t seed) : state(seed * 0x9E3779B97F4A7C15ULL + 1) {}
    uint64_t next() {
        state ^= state >> 12;
        state ^= state << 25;
        state ^= state >> 27;
        return state * 0x2545F4914F6CDD1DULL;
    }
    uint32_t below(uint32_t bound) { return (uint32_t)((next() >> 32) * bound >> 32); }
};

struct Digest {  // FNV-1a over the fills: who was hit, where, how much.
    uint64_t value = 0xCBF29CE484222325ULL;
    uint64_t fills = 0;
    void add(uint64_t id, int32_t price, int32_t lots) {
        fills += 1;
        for (uint64_t word : {id, (uint64_t)(uint32_t)price, (uint64_t)(uint32_t)lots}) value = (value ^ word) * 0x100000001B3ULL;
    }
};

struct Live {  // The ids that rest, for picking one at random in O(1).
    std::vector<uint32_t> ids, where;
    void add(uint32_t id) {
        if (where.size() <= id) where.resize(id + 1024, UINT32_MAX);
        where[id] = (uint32_t)ids.size();
        ids.push_back(id);
    }
    bool has(uint32_t id) const { return id < where.size() && where[id] != UINT32_MAX; }
    void remove(uint32_t id) {
        uint32_t place = where[id];
        ids[place] = ids.back();
        where[ids[place]] = place;
        ids.pop_back();
        where[id] = UINT32_MAX;
    }
};
