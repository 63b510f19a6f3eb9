/* The protocol's login: the one message that cannot be made beforehand. */
#pragma once
#include <stddef.h>
#include <stdint.h>

#include "frames.h"
#include "options.h"

#define LOGIN_BYTES_MAX 256

/* The login that answers a hello, from the account with a number; 0 when it is not a hello. */
size_t login_message(uint8_t out[LOGIN_BYTES_MAX], const frame *hello, const options *o, int number);
