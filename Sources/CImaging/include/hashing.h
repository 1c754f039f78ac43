#pragma once
#include <stddef.h>

// SHA-256 by GLib, which libvips brings along.

typedef struct _GChecksum ci_hash;

ci_hash *_Nonnull ci_hash_new(void);
void ci_hash_update(ci_hash *_Nonnull hash, const void *_Nonnull bytes, size_t count);
/// Writes the 32 bytes of the digest; the hash takes no more bytes afterwards.
void ci_hash_finish(ci_hash *_Nonnull hash, unsigned char digest[_Nonnull 32]);
void ci_hash_free(ci_hash *_Nonnull hash);
