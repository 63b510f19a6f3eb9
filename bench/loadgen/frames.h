/* WebSocket frames, and the script of frames that a scenario sends. */
#pragma once
#include <stddef.h>
#include <stdint.h>

#define BINARY 2
#define CLOSE 8

typedef struct {
    const uint8_t *payload;
    size_t size;
    int opcode;
} frame;

/* The bytes of the first frame of a server's stream, 0 when it is not there whole. */
size_t frame_read(const uint8_t *data, size_t size, frame *out);
/* A client's binary frame, masked with zeros, which the server cannot tell from any mask. At most 65,535 bytes. */
size_t frame_write(uint8_t *out, const void *payload, size_t size);

/* The type number of a message, or -1. */
int message_type(const frame *f);

/* Frames in the order they are sent, one after another in memory: any run of them is one write. */
typedef struct {
    uint32_t count;
    const uint8_t *bytes;
    size_t *offset;      /* count + 1 of them. */
    uint32_t *answers;   /* How many acks or rejects answer the frame. */
} script;

/* Sessions take the scripts of a file in turn. Ends the program when the file is not one. */
script *scripts_read(const char *path, uint32_t *count);
