/* Trains a network with one hidden layer to be the sine, by AdamW: train [--device cpu|cuda]
 *
 * Parameters, gradients and states are in memory of the device that the engine is for. This program computes its
 * gradients on the host and copies them; one that computes on the device hands its own pointers to optim_plan_bind and
 * copies nothing. */
#include <math.h>
#include <optim/optim.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { HIDDEN = 16, POINTS = 64, STEPS = 2000, TENSORS = 4, MOST_STATES = 32 };

/* The tensors lie one behind the other: weights and biases of the hidden layer, weights and bias of the output. */
static const int64_t sizes[TENSORS] = {HIDDEN, HIDDEN, HIDDEN, 1};
static const int64_t begins[TENSORS] = {0, HIDDEN, 2 * HIDDEN, 3 * HIDDEN};
enum { COUNT = 3 * HIDDEN + 1 };

static void must(const char* what, optim_status status) {
  if (status == OPTIM_OK) return;
  fprintf(stderr, "%s: %s: %s\n", what, optim_status_name(status), optim_last_error());
  exit(EXIT_FAILURE);
}

/* The mean squared error over [-pi, pi], and its gradient. */
static double loss_and_gradient(const float* p, float* g) {
  const float *w1 = p, *b1 = p + HIDDEN, *w2 = p + 2 * HIDDEN, *b2 = p + 3 * HIDDEN;
  double loss = 0;
  int n, j;
  memset(g, 0, COUNT * sizeof *g);
  for (n = 0; n < POINTS; ++n) {
    const double x = 3.14159265358979 * (2.0 * n / (POINTS - 1) - 1);
    double hidden[HIDDEN], error = b2[0] - sin(x), scale;
    for (j = 0; j < HIDDEN; ++j) {
      hidden[j] = tanh(w1[j] * x + b1[j]);
      error += w2[j] * hidden[j];
    }
    loss += error * error / POINTS;
    scale = 2 * error / POINTS;
    for (j = 0; j < HIDDEN; ++j) {
      const double inner = scale * w2[j] * (1 - hidden[j] * hidden[j]);
      g[j] += (float)(inner * x);
      g[HIDDEN + j] += (float)inner;
      g[2 * HIDDEN + j] += (float)(scale * hidden[j]);
    }
    g[3 * HIDDEN] += (float)scale;
  }
  return loss;
}

int main(int argc, char** argv) {
  optim_engine_options where = {0};
  optim_plan_options options = {0};
  optim_tensor tensors[TENSORS] = {{0}};
  optim_engine* engine = NULL;
  optim_plan* plan = NULL;
  const char* description = NULL;
  void *params = NULL, *grads = NULL, *states[MOST_STATES] = {NULL};
  void *param_pointers[TENSORS], *grad_pointers[TENSORS];
  float p[COUNT], g[COUNT];
  double loss = 0, lr;
  int64_t i, k, slots, state_count = 0, step;

  const char* device = argc == 1 ? "cpu" : argc == 3 && strcmp(argv[1], "--device") == 0 ? argv[2] : "";
  if (strcmp(device, "cpu") != 0 && strcmp(device, "cuda") != 0) {
    fprintf(stderr, "usage: train [--device cpu|cuda]\n");
    return EXIT_FAILURE;
  }
  where.size = sizeof where;
  where.device_type = strcmp(device, "cuda") == 0 ? OPTIM_CUDA : OPTIM_CPU;
  must("optim_engine_create", optim_engine_create(&where, &engine));
  must("optim_engine_description", optim_engine_description(engine, &description));
  must("optim_buffer_alloc", optim_buffer_alloc(engine, sizeof p, &params));
  must("optim_buffer_alloc", optim_buffer_alloc(engine, sizeof g, &grads));

  for (i = 0; i < TENSORS; ++i) {
    param_pointers[i] = (float*)params + begins[i];
    grad_pointers[i] = (float*)grads + begins[i];
    tensors[i].size = sizeof tensors[i];
    tensors[i].data = param_pointers[i];
    tensors[i].dtype = OPTIM_F32;
    tensors[i].rank = 1;
    tensors[i].shape[0] = sizes[i];
  }
  lr = 0.05;
  options.size = sizeof options;
  options.rule = "adamw";
  options.group_count = 1;
  options.hyper_count = 1; /* the learning rate comes first; the rest take their defaults */
  options.hypers = &lr;
  options.tensor_count = TENSORS;
  options.params = tensors;
  must("optim_plan_create", optim_plan_create(engine, &options, &plan));

  /* The library says which states the rule keeps; the program owns them. */
  for (i = 0; i < TENSORS; ++i) {
    must("optim_plan_slot_count", optim_plan_slot_count(plan, i, &slots));
    for (k = 0; k < slots; ++k) {
      optim_slot slot = {0};
      slot.size = sizeof slot;
      must("optim_plan_slot", optim_plan_slot(plan, i, k, &slot));
      if (state_count == MOST_STATES) return EXIT_FAILURE;
      must("optim_buffer_alloc", optim_buffer_alloc(engine, slot.bytes, &states[state_count++]));
    }
  }
  for (i = 0; i < COUNT; ++i) p[i] = (float)(((i * 37 + 11) % 64 - 31.5) / 64); /* in (-1/2, 1/2) */
  must("optim_buffer_copy", optim_buffer_copy(engine, params, p, sizeof p));
  must("optim_plan_bind", optim_plan_bind(plan, param_pointers, grad_pointers, states));
  must("optim_plan_init_states", optim_plan_init_states(plan));

  for (step = 1; step <= STEPS; ++step) {
    const double cosine[] = {0.05, STEPS}; /* max_lr, t_max */
    loss = loss_and_gradient(p, g);
    if (step == 1 || step % 500 == 0) printf("step %4d  loss %.6f\n", (int)step, loss);
    must("optim_schedule_value", optim_schedule_value("cosine", cosine, 2, step, &lr));
    must("optim_plan_set_hypers", optim_plan_set_hypers(plan, 0, &lr, 1));
    must("optim_buffer_copy", optim_buffer_copy(engine, grads, g, sizeof g));
    must("optim_plan_step", optim_plan_step(plan, NULL));
    must("optim_buffer_copy", optim_buffer_copy(engine, p, params, sizeof p)); /* waits for the step */
  }

  printf("%s\n", description);
  optim_plan_free(plan);
  for (i = 0; i < state_count; ++i) optim_buffer_free(engine, states[i]);
  optim_buffer_free(engine, grads);
  optim_buffer_free(engine, params);
  optim_engine_free(engine);
  return loss < 1e-3 ? EXIT_SUCCESS : EXIT_FAILURE;
}
