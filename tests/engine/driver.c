// Makes calls of the kernels that were recorded in another process (calls.py), on another processor.
//
// A call is a piece of memory whose pointers are offsets in it. What the memory holds after the call
// is written out, but for the pointers.

#include <stdio.h>
#include <stdlib.h>

#include "../../dlx/native/program.h"

#define KERNELS(precision) \
    int64_t dlx_memory_##precision(const run *, int64_t); \
    void dlx_steps_##precision(run *, int64_t, void *, void *, int64_t, int64_t); \
    int64_t dlx_evaluation_memory_##precision(const evaluation *, int64_t); \
    void dlx_evaluate_##precision(evaluation *, void *);
KERNELS(float)
KERNELS(double)

typedef struct { int64_t is_double, is_evaluation, start, number, size, num_pointers; } call;

static void *room(int64_t bytes) {
    void *memory = aligned_alloc(64, (bytes + 127) / 64 * 64);
    if (!memory) exit(3);
    return memory;
}

static void receive(void *to, int64_t bytes) {
    if (bytes && fread(to, (size_t)bytes, 1, stdin) != 1) exit(2);
}

int main(void) {
    call c;
    while (fread(&c, sizeof c, 1, stdin) == 1) {
        int64_t *pointers = room(c.num_pointers * 2 * 8);
        char *memory = room(c.size);
        receive(pointers, c.num_pointers * 2 * 8);
        receive(memory, c.size);
        for (int64_t i = 0; i < c.num_pointers; i++)
            *(char **)(memory + pointers[2 * i]) = memory + pointers[2 * i + 1];
        void *of_call = memory + c.start;
        const int64_t bytes = c.is_double ? 8 : 4;
        if (c.is_evaluation) {
            void *scratch = room(bytes * (c.is_double ? dlx_evaluation_memory_double(of_call, c.number)
                                                      : dlx_evaluation_memory_float(of_call, c.number)));
            if (c.is_double) dlx_evaluate_double(of_call, scratch);
            else dlx_evaluate_float(of_call, scratch);
            free(scratch);
        } else {
            void *scratch = room(bytes * (c.is_double ? dlx_memory_double(of_call, 1) : dlx_memory_float(of_call, 1)));
            if (c.is_double) dlx_steps_double(of_call, c.number, scratch, 0, 0, 1);
            else dlx_steps_float(of_call, c.number, scratch, 0, 0, 1);
            free(scratch);
        }
        for (int64_t i = 0; i < c.num_pointers; i++) *(int64_t *)(memory + pointers[2 * i]) = 0;
        if (fwrite(memory, (size_t)c.size, 1, stdout) != 1) exit(4);
        free(memory);
        free(pointers);
    }
    return 0;
}
