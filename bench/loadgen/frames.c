#include "frames.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

size_t frame_read(const uint8_t *data, size_t size, frame *out) {
    if (size < 2) return 0;
    size_t head = 2, length = data[1] & 127;
    if (length == 126) {
        if (size < 4) return 0;
        head = 4, length = (size_t)data[2] << 8 | data[3];
    } else if (length == 127) {
        if (size < 10) return 0;
        head = 10, length = 0;
        for (int i = 2; i < 10; i++) length = length << 8 | data[i];
    }
    if (size - head < length) return 0;
    *out = (frame){data + head, length, data[0] & 15};
    return head + length;
}

size_t frame_write(uint8_t *out, const void *payload, size_t size) {
    size_t head = 2;
    out[0] = 0x80 | BINARY;
    if (size < 126) {
        out[1] = (uint8_t)(0x80 | size);
    } else {
        out[1] = 0x80 | 126, out[2] = (uint8_t)(size >> 8), out[3] = (uint8_t)size;
        head = 4;
    }
    memset(out + head, 0, 4);
    memcpy(out + head + 4, payload, size);
    return head + 4 + size;
}

int message_type(const frame *f) {
    if (f->opcode != BINARY || f->size < 2) return -1;
    size_t at = f->payload[0] == 0xdc ? 3 : 1;      /* An array of 16 or more elements has a longer head. */
    return at < f->size ? f->payload[at] : -1;
}

static void need(int is_good, const char *path) {
    if (is_good) return;
    fprintf(stderr, "%s is not a file of frames\n", path);
    exit(2);
}

static uint32_t next_number(const uint8_t **at, const uint8_t *end, const char *path) {
    uint32_t number;
    need(end - *at >= 4, path);
    memcpy(&number, *at, 4);
    *at += 4;
    return number;
}

script *scripts_read(const char *path, uint32_t *count) {
    FILE *file = fopen(path, "rb");
    need(file != NULL, path);
    fseek(file, 0, SEEK_END);
    size_t size = (size_t)ftell(file);
    uint8_t *data = malloc(size ? size : 1);
    rewind(file);
    need(fread(data, 1, size, file) == size, path);
    fclose(file);
    const uint8_t *at = data, *end = data + size;
    *count = next_number(&at, end, path);
    need(*count > 0, path);
    script *scripts = calloc(*count, sizeof *scripts);
    for (uint32_t s = 0; s < *count; s++) {
        uint32_t frames = scripts[s].count = next_number(&at, end, path);
        scripts[s].offset = calloc(frames + 1, sizeof(size_t));
        scripts[s].answers = calloc(frames + 1, sizeof(uint32_t));
        for (uint32_t i = 0; i < frames; i++) {
            scripts[s].offset[i + 1] = scripts[s].offset[i] + next_number(&at, end, path);
            scripts[s].answers[i] = next_number(&at, end, path);
        }
        need((size_t)(end - at) >= scripts[s].offset[frames], path);
        scripts[s].bytes = at;
        at += scripts[s].offset[frames];
    }
    return scripts;
}
