/* A user's C99 program: AdamW walks down f(x) = sum (x_i - target_i)^2 through the installed library. */
#include <math.h>
#include <optim/optim.h>
#include <stdio.h>
#include <string.h>

#define COUNT 5
#define STEPS 500

static int failed(const char* what, optim_status status) {
  fprintf(stderr, "%s: %s: %s\n", what, optim_status_name(status), optim_last_error());
  return 1;
}

static int unknown_rule_is_refused(optim_engine* engine) {
  optim_plan_options options = {0};
  optim_plan* plan = NULL;
  optim_status status;
  options.size = sizeof options;
  options.rule = "no_such_rule";
  options.group_count = 1;
  options.grad_dtype = -1;
  options.state_dtype = -1;
  status = optim_plan_create(engine, &options, &plan);
  return status == OPTIM_NOT_FOUND && plan == NULL && strstr(optim_last_error(), "no_such_rule") != NULL;
}

int main(void) {
  static const float target[COUNT] = {1.0f, -2.0f, 0.5f, 3.0f, 0.0f};
  float x[COUNT] = {0}, gradient[COUNT] = {0};
  float states[8][COUNT];
  void *params[1], *grads[1], *state_pointers[8];
  const double hypers[] = {0.05}; /* the learning rate comes first; the rest take their defaults */
  optim_engine* engine = NULL;
  optim_plan* plan = NULL;
  optim_tensor tensor = {0};
  optim_plan_options options = {0};
  optim_status status;
  int64_t slots = 0, step = 0, i;
  int k;

  if ((status = optim_engine_create(NULL, &engine)) != OPTIM_OK) return failed("optim_engine_create", status);
  if (!unknown_rule_is_refused(engine)) return failed("an unknown rule was not refused as such", OPTIM_OK);

  tensor.size = sizeof tensor;
  tensor.data = x;
  tensor.dtype = OPTIM_F32;
  tensor.rank = 1;
  tensor.shape[0] = COUNT;
  options.size = sizeof options;
  options.rule = "adamw";
  options.group_count = 1;
  options.hyper_count = 1;
  options.hypers = hypers;
  options.tensor_count = 1;
  options.params = &tensor;
  options.grad_dtype = -1;
  options.state_dtype = -1;
  if ((status = optim_plan_create(engine, &options, &plan)) != OPTIM_OK) return failed("optim_plan_create", status);
  if ((status = optim_plan_slot_count(plan, 0, &slots)) != OPTIM_OK) return failed("optim_plan_slot_count", status);
  if (slots > 8) return failed("more states than this program expects", OPTIM_OK);
  for (i = 0; i < slots; ++i) {
    optim_slot slot = {0};
    slot.size = sizeof slot;
    if ((status = optim_plan_slot(plan, 0, i, &slot)) != OPTIM_OK) return failed("optim_plan_slot", status);
    if (slot.bytes > sizeof states[i]) return failed("a state is larger than its parameter", OPTIM_OK);
    state_pointers[i] = states[i];
  }
  params[0] = x;
  grads[0] = gradient;
  if ((status = optim_plan_bind(plan, params, grads, state_pointers)) != OPTIM_OK)
    return failed("optim_plan_bind", status);
  if ((status = optim_plan_init_states(plan)) != OPTIM_OK) return failed("optim_plan_init_states", status);

  for (k = 0; k < STEPS; ++k) {
    for (i = 0; i < COUNT; ++i) gradient[i] = 2.0f * (x[i] - target[i]);
    if ((status = optim_plan_step(plan, NULL)) != OPTIM_OK) return failed("optim_plan_step", status);
  }
  if ((status = optim_plan_get_step(plan, 0, &step)) != OPTIM_OK) return failed("optim_plan_get_step", status);
  if (step != STEPS) return failed("the step counter is wrong", OPTIM_OK);
  for (i = 0; i < COUNT; ++i) {
    if (!(fabs((double)(x[i] - target[i])) < 0.05)) {
      fprintf(stderr, "x[%d] is %g after %d steps, not near %g\n", (int)i, x[i], STEPS, target[i]);
      return 1;
    }
  }
  optim_plan_free(plan);
  optim_engine_free(engine);
  printf("C: adamw of optim %s reached the minimum in %d steps\n", optim_version(), STEPS);
  return 0;
}
