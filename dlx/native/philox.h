// Random words, by Philox 4x64 with ten rounds; without a library NumPy makes the same.
//
// Reference: Salmon, Moraes, Dror and Shaw (2011), Parallel random numbers: as easy as 1, 2, 3.

#define AT_A_TIME 4  // counters: a round of one alone waits for its products

INLINE void philox(uint64_t key, uint64_t counter, uint64_t words[AT_A_TIME][4]) {
    uint64_t c[AT_A_TIME][4] = {}, first = key, second = 0;
    for (int i = 0; i < AT_A_TIME; i++) c[i][0] = counter + i;
    UNROLLED for (int round = 0; round < 10; round++) {
        UNROLLED for (int i = 0; i < AT_A_TIME; i++) {
            const unsigned __int128 a = (unsigned __int128)0xD2E7470EE14C6C93 * c[i][0];
            const unsigned __int128 b = (unsigned __int128)0xCA5A826395121157 * c[i][2];
            c[i][0] = (uint64_t)(b >> 64) ^ c[i][1] ^ first;
            c[i][1] = (uint64_t)b;
            c[i][2] = (uint64_t)(a >> 64) ^ c[i][3] ^ second;
            c[i][3] = (uint64_t)a;
        }
        first += 0x9E3779B97F4A7C15;
        second += 0xBB67AE8584CAA73B;
    }
    memcpy(words, c, sizeof(c));
}

// Fill rows with the first words of their keys; the counter begins at 1.
EXPORT void dlx_random_words(const uint64_t *keys, uint64_t *rows, int64_t num_rows, int64_t number) {
    for (int64_t row = 0; row < num_rows; row++) {
        uint64_t *to = rows + row * number;
        for (int64_t i = 0; i < number; i += AT_A_TIME * 4) {
            uint64_t words[AT_A_TIME][4];
            philox(keys[row], i / 4 + 1, words);
            const int64_t left = number - i < AT_A_TIME * 4 ? number - i : AT_A_TIME * 4;
            memcpy(to + i, words, left * sizeof(uint64_t));
        }
    }
}
