// The baseline: the book one writes first. std::map of prices, std::list of orders, iterators by order id.
// Its orders hold what ours hold, so that both keep the same facts in memory; it has neither owners' rules nor icebergs.
#pragma once
#include <list>
#include <map>
#include <unordered_map>

#include "flow.hpp"

struct MapBook {
    struct Order {
        uint64_t id;
        int32_t price;
        int32_t lots;
        int32_t shown;
        int32_t filled;
        uint32_t owner;
        uint8_t side;
    };
    struct Level {
        std::list<Order> queue;
        int64_t lots = 0;
    };
    std::map<int32_t, Level> sides[2];
    std::unordered_map<uint64_t, std::list<Order>::iterator> orders;

    template <class OnFill>
    void add(uint64_t id, int side, int32_t price, int32_t lots, OnFill on_fill) {
        auto &opposite = sides[1 - side];
        while (lots > 0 && !opposite.empty()) {
            auto best = side == 0 ? opposite.begin() : std::prev(opposite.end());
            if (side == 0 ? best->first > price : best->first < price) break;
            Level &level = best->second;
            while (lots > 0 && !level.queue.empty()) {
                Order &maker = level.queue.front();
                int32_t traded = maker.lots < lots ? maker.lots : lots;
                maker.lots -= traded;
                maker.shown -= traded;
                maker.filled += traded;
                level.lots -= traded;
                lots -= traded;
                on_fill(maker.id, best->first, traded, maker.lots);
                if (maker.lots == 0) {
                    orders.erase(maker.id);
                    level.queue.pop_front();
                }
            }
            if (level.queue.empty()) opposite.erase(best);
        }
        if (lots == 0) return;
        Level &level = sides[side][price];
        level.queue.push_back({id, price, lots, lots, 0, 0, (uint8_t)side});
        level.lots += lots;
        orders[id] = std::prev(level.queue.end());
    }

    bool cancel(uint64_t id) {
        auto found = orders.find(id);
        if (found == orders.end()) return false;
        auto order = found->second;
        auto &side = sides[order->side];
        auto level = side.find(order->price);
        level->second.lots -= order->lots;
        level->second.queue.erase(order);
        if (level->second.queue.empty()) side.erase(level);
        orders.erase(found);
        return true;
    }

    template <class OnFill>
    void replace(uint64_t id, int32_t price, int32_t lots, OnFill on_fill) {
        auto found = orders.find(id);
        if (found == orders.end()) return;
        auto order = found->second;
        if (price == order->price && lots <= order->lots) {
            sides[order->side][price].lots -= order->lots - lots;
            order->lots = order->shown = lots;
            return;
        }
        int side = order->side;
        cancel(id);
        add(id, side, price, lots, on_fill);
    }
    int32_t best(int side) const {
        if (sides[side].empty()) return -1;
        return side == 0 ? sides[0].rbegin()->first : sides[1].begin()->first;
    }
};
