// The baseline: the book one writes first. std::map of prices, std::list of orders, iterators by order id.
#pragma once
#include <list>
#include <map>
#include <unordered_map>

#include "flow.hpp"

struct MapBook {
    struct Resting {
        uint32_t id;
        int32_t lots;
    };
    struct Place {
        uint8_t side;
        int32_t price;
        std::list<Resting>::iterator where;
    };
    std::map<int32_t, std::list<Resting>> sides[2];
    std::unordered_map<uint32_t, Place> orders;

    template <class OnFill>
    void add(uint32_t id, int side, int32_t price, int32_t lots, OnFill on_fill) {
        auto &opposite = sides[1 - side];
        while (lots > 0 && !opposite.empty()) {
            auto level = side == 0 ? opposite.begin() : std::prev(opposite.end());
            if (side == 0 ? level->first > price : level->first < price) break;
            auto &queue = level->second;
            while (lots > 0 && !queue.empty()) {
                Resting &maker = queue.front();
                int32_t traded = maker.lots < lots ? maker.lots : lots;
                maker.lots -= traded;
                lots -= traded;
                on_fill(maker.id, level->first, traded, maker.lots);
                if (maker.lots == 0) {
                    orders.erase(maker.id);
                    queue.pop_front();
                }
            }
            if (queue.empty()) opposite.erase(level);
        }
        if (lots == 0) return;
        auto &queue = sides[side][price];
        queue.push_back({id, lots});
        orders[id] = {(uint8_t)side, price, std::prev(queue.end())};
    }

    bool cancel(uint32_t id) {
        auto found = orders.find(id);
        if (found == orders.end()) return false;
        auto level = sides[found->second.side].find(found->second.price);
        level->second.erase(found->second.where);
        if (level->second.empty()) sides[found->second.side].erase(level);
        orders.erase(found);
        return true;
    }

    template <class OnFill>
    void replace(uint32_t id, int32_t price, int32_t lots, OnFill on_fill) {
        auto found = orders.find(id);
        if (found == orders.end()) return;
        if (price == found->second.price && lots <= found->second.where->lots) {
            found->second.where->lots = lots;
            return;
        }
        int side = found->second.side;
        cancel(id);
        add(id, side, price, lots, on_fill);
    }
    int32_t best(int side) const {
        if (sides[side].empty()) return -1;
        return side == 0 ? sides[0].rbegin()->first : sides[1].begin()->first;
    }
};
