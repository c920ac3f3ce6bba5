/* Steps the rule "throwaway" twice on the engine of the device type given (0: CPU, 1: CUDA) and compares with the sums by
 * hand: with lr = 1/4 and gain = 2, the parameters move by -g/2, then by -g. */
#include <optim/optim.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COUNT 3

static void require(int condition, const char* what) {
  if (condition) return;
  fprintf(stderr, "%s; last error: %s\n", what, optim_last_error());
  exit(1);
}

int main(int argc, char** argv) {
  const float start[COUNT] = {1.0f, -2.0f, 8.0f}, gradient[COUNT] = {1.0f, -4.0f, 0.5f};
  const float expected[COUNT] = {-0.5f, 4.0f, 7.25f};
  float result[COUNT];
  void *param, *grad, *state;
  optim_engine_options device = {0};
  optim_engine* engine;
  optim_tensor tensor = {0};
  optim_plan_options options = {0};
  optim_plan* plan;
  int64_t slots;

  require(argc == 2, "usage: check DEVICE_TYPE");
  require(strstr(optim_schema_json(), "\"throwaway\"") != NULL, "the schema does not have the rule");

  device.size = sizeof device;
  device.device_type = atoi(argv[1]);
  require(optim_engine_create(&device, &engine) == OPTIM_OK, "optim_engine_create");
  require(optim_buffer_alloc(engine, sizeof start, &param) == OPTIM_OK, "optim_buffer_alloc");
  require(optim_buffer_alloc(engine, sizeof start, &grad) == OPTIM_OK, "optim_buffer_alloc");
  require(optim_buffer_alloc(engine, sizeof start, &state) == OPTIM_OK, "optim_buffer_alloc");
  require(optim_buffer_copy(engine, param, start, sizeof start) == OPTIM_OK, "optim_buffer_copy");
  require(optim_buffer_copy(engine, grad, gradient, sizeof gradient) == OPTIM_OK, "optim_buffer_copy");

  tensor.size = sizeof tensor;
  tensor.data = param;
  tensor.dtype = OPTIM_F32;
  tensor.rank = 1;
  tensor.shape[0] = COUNT;
  options.size = sizeof options;
  options.rule = "throwaway";
  options.group_count = 1;
  options.tensor_count = 1;
  options.params = &tensor;
  require(optim_plan_create(engine, &options, &plan) == OPTIM_OK, "optim_plan_create");
  require(optim_plan_slot_count(plan, 0, &slots) == OPTIM_OK && slots == 1, "the rule has one slot");
  require(optim_plan_bind(plan, &param, &grad, &state) == OPTIM_OK, "optim_plan_bind");
  require(optim_plan_init_states(plan) == OPTIM_OK, "optim_plan_init_states");
  require(optim_plan_step(plan, NULL) == OPTIM_OK, "the first optim_plan_step");
  require(optim_plan_step(plan, NULL) == OPTIM_OK, "the second optim_plan_step");
  require(optim_buffer_copy(engine, result, param, sizeof result) == OPTIM_OK, "optim_buffer_copy");
  require(memcmp(result, expected, sizeof result) == 0, "two steps end elsewhere than by hand");

  optim_plan_free(plan);
  optim_buffer_free(engine, param);
  optim_buffer_free(engine, grad);
  optim_buffer_free(engine, state);
  optim_engine_free(engine);
  return 0;
}
