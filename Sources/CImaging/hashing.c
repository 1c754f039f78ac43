#include "hashing.h"

#include <glib.h>
#include <stdint.h>

ci_hash *ci_hash_new(void) { return g_checksum_new(G_CHECKSUM_SHA256); }

void ci_hash_update(ci_hash *hash, const void *bytes, size_t count)
{
    // GLib takes signed counts; a negative one would mean text that ends with a zero.
    const guchar *next = bytes;
    while (count > 0) {
        size_t piece = count < (size_t) PTRDIFF_MAX ? count : (size_t) PTRDIFF_MAX;
        g_checksum_update(hash, next, (gssize) piece);
        next += piece;
        count -= piece;
    }
}

void ci_hash_finish(ci_hash *hash, unsigned char digest[32])
{
    gsize length = 32;
    g_checksum_get_digest(hash, digest, &length);
}

void ci_hash_free(ci_hash *hash) { g_checksum_free(hash); }
