/* Optim: deep-learning optimizer steps over raw device buffers.
 *
 * The whole C ABI. It does not grow when an optimizer is added: the catalogue crosses it as JSON (optim_schema_json), and
 * hyper-parameters as rows of doubles in the order of that schema.
 *
 * Ownership     The caller owns parameters, gradients and optimizer states. Engines and plans own only scratch memory and
 *               small tables. A buffer that is bound to a plan must stay alive until it is rebound or the plan is freed.
 * Errors        Every function that can fail returns OPTIM_OK or another optim_status and leaves its outputs and the
 *               caller's buffers untouched on failure. optim_last_error() then names the thing, the value and what is allowed.
 * Asynchrony    On a CUDA engine work is queued on the engine's stream; only optim_engine_synchronize, optim_buffer_copy,
 *               optim_plan_get_steps and functions with a host output wait for the device. On a CPU engine every call is
 *               complete on return.
 * Threads       Distinct plans may be used concurrently from distinct threads; one plan or one engine handle must not be
 *               used by two threads at once. Plans of one engine count as distinct plans.
 * Structs       Every struct of the host begins with `size`: set it to sizeof the struct. Later versions only add members at
 *               the end, and 0 always means "off" or "default". So a caller of an older header works: what it does not know is 0
 *               (and is not written). A caller of a newer one too, as long as what this library does not know is 0. A size that
 *               the struct never had is refused.
 * Text          UTF-8, zero-terminated. */
#ifndef OPTIM_OPTIM_H
#define OPTIM_OPTIM_H

#include <stdint.h>

#if defined(OPTIM_STATIC)
#define OPTIM_API
#elif defined(_WIN32)
#ifdef OPTIM_BUILD
#define OPTIM_API __declspec(dllexport)
#else
#define OPTIM_API __declspec(dllimport)
#endif
#else
#define OPTIM_API __attribute__((visibility("default")))
#endif

#ifdef __cplusplus
extern "C" {
#endif

#define OPTIM_VERSION_MAJOR 0
#define OPTIM_VERSION_MINOR 1
#define OPTIM_VERSION_PATCH 0

/* ---- Status ---------------------------------------------------------------------------------------------------------- */

typedef int32_t optim_status;
#define OPTIM_OK 0
#define OPTIM_INVALID_ARGUMENT 1 /* null, out of range, disagreeing shapes or dtypes, overlapping buffers */
#define OPTIM_NOT_FOUND 2        /* no rule, device or slot of that name */
#define OPTIM_OUT_OF_MEMORY 3
#define OPTIM_UNSUPPORTED 4  /* valid, but this build, device or rule does not do it */
#define OPTIM_DEVICE_ERROR 5 /* the device runtime failed */
#define OPTIM_INTERNAL 6     /* a defect of the library */

/* The calling thread's last error: one line, valid until this thread's next failing call; "" if there was none. Never NULL. */
OPTIM_API const char* optim_last_error(void);

/* The name of a status ("OPTIM_OK", ...), static storage; "OPTIM_UNKNOWN_STATUS" for another value. */
OPTIM_API const char* optim_status_name(optim_status status);

/* "major.minor.patch" of the loaded library, static storage. */
OPTIM_API const char* optim_version(void);

/* ---- Catalogue ------------------------------------------------------------------------------------------------------- */

/* The schema of every rule, schedule and helper as one JSON document, static storage: an object {"format": "optim-schema-1",
 * "rules": [...], "schedules": [...], "helpers": [...]}.
 * A rule has: name, title, paper, url, summary, shape ("elementwise" | "reduced" | "matrix"), needs (auxiliary inputs), reach
 * ("element" | "row" | "tensor" | "all": what one element of a gradient or input has a part in, with default hyper-parameters; a
 * NaN spreads no further), cost {vector, matrix, vector_state, matrix_state}, aliases [{name, hypers}] (names that the
 * literature has for the rule with other values of those hyper-parameters, by name), hypers [{name, default, minimum, maximum,
 * minimum_open, maximum_open, kind ("real" | "integer" | "boolean" | "word"), words, variadic, spellings (what other libraries
 * call it), like (null, or the hyper-parameter whose value in optim_plan_create a 0 takes; setting it to 0 later keeps it),
 * doc}] in the order in which rows of hyper-parameters cross this ABI, and slots [{name, shape ("param" | "row" | "unit" |
 * "tensor" | "scalar" | "matrix"), initial, role, when, when_words, doc}]. An infinite bound is null; so is the default of a
 * hyper-parameter that must be given; a word crosses as its index. A slot exists where the hyper-parameter `when` is not 0, or
 * is one of when_words if there are any. cost counts floats for each element of a tensor, with F32 storage, default
 * hyper-parameters, no helpers and inputs bound: what a step reads and writes (optim_plan_bytes_per_step / 4) and what the state
 * slots keep, of a vector of 256 elements and of a matrix of 256 x 256. Reduced rules read once what they sum together where it
 * stays on the chip, as that vector and a row of that matrix do on every engine; the matrix as a whole counts as read twice.
 * What happens every k steps counts a k-th; matrix slots count wholly, as if recomputed at each step.
 * A schedule has: name, title, paper, url, summary, hypers. Where the last of them is variadic, a row ends with one or more
 * values of it. helpers are the members of optim_helpers, described as hypers are: the default is what a 0 stands for. */
OPTIM_API const char* optim_schema_json(void);

/* ---- Engines --------------------------------------------------------------------------------------------------------- */

#define OPTIM_CPU 0
#define OPTIM_CUDA 1

typedef struct optim_engine optim_engine;

typedef struct optim_engine_options {
  uint64_t size;
  int32_t device_type;  /* OPTIM_CPU or OPTIM_CUDA */
  int32_t device_index; /* ordinal of the device; 0 for the CPU */
  int32_t threads;      /* CPU: number of threads at most, 0 = as many as the affinity and the quota of the process and the
                           environment's OMP_NUM_THREADS allow; the system may give fewer. CUDA: must be 0 */
  int32_t reserved;     /* 0 */
  void* stream;         /* CUDA: the cudaStream_t all work is queued on, NULL = the default stream; CPU: NULL */
} optim_engine_options;

/* Number of usable devices of a type: 1 for OPTIM_CPU; for OPTIM_CUDA 0 when the library was built without CUDA or finds no
 * driver or device (that is no error). */
OPTIM_API optim_status optim_device_count(int32_t device_type, int32_t* count);

/* Creates an engine; NULL options = the CPU with all cores. Free it after the plans made from it. */
OPTIM_API optim_status optim_engine_create(const optim_engine_options* options, optim_engine** engine);
OPTIM_API void optim_engine_free(optim_engine* engine);

/* A line about the engine: device, instruction set or compute capability, threads. Lives as long as the engine. */
OPTIM_API optim_status optim_engine_description(const optim_engine* engine, const char** description);

/* Replaces the stream of a CUDA engine (cudaStream_t); for the CPU stream must be NULL. */
OPTIM_API optim_status optim_engine_set_stream(optim_engine* engine, void* stream);

/* Waits until everything queued on the engine's stream is done; reports asynchronous device errors. */
OPTIM_API optim_status optim_engine_synchronize(optim_engine* engine);

/* Memory on the engine's device, for callers without an allocator of their own: 256-byte aligned, zero-filled. bytes may be 0
 * (then *buffer is NULL). The buffer may outlive plans but must be freed before its engine. */
OPTIM_API optim_status optim_buffer_alloc(optim_engine* engine, uint64_t bytes, void** buffer);
OPTIM_API void optim_buffer_free(optim_engine* engine, void* buffer);

/* Copies bytes between host and device buffers in either direction, after all work queued before; waits for the copy. */
OPTIM_API optim_status optim_buffer_copy(optim_engine* engine, void* destination, const void* source, uint64_t bytes);

/* ---- Tensors --------------------------------------------------------------------------------------------------------- */

#define OPTIM_F32 1 /* 0 is no dtype, so that a struct of zeros names none */
#define OPTIM_F64 2
#define OPTIM_F16 3
#define OPTIM_BF16 4

#define OPTIM_ROW_MAJOR 0
#define OPTIM_STRIDED 1

#define OPTIM_MAX_RANK 8

/* A borrowed view of a dense buffer on the engine's device. Parameter, gradient and per-element states of one tensor must have
 * equal shape and strides. Any mixture of F32, F16 and BF16 works; F64 only when all are F64. data may have any alignment that
 * suits its element. A tensor with 0 elements is allowed. */
typedef struct optim_tensor {
  uint64_t size;
  void* data;    /* NULL: absent (only where a function says so), or 0 elements */
  int32_t dtype; /* OPTIM_F32, ... */
  int32_t rank;  /* 0 ... OPTIM_MAX_RANK */
  int32_t layout;   /* OPTIM_ROW_MAJOR: strides must all be 0; OPTIM_STRIDED: they are those of the tensor, whatever they are */
  int32_t reserved; /* 0 */
  int64_t shape[OPTIM_MAX_RANK];
  int64_t strides[OPTIM_MAX_RANK]; /* in elements. Dimensions of more than one must be dense, with dimension 0 outermost: a stride
                                      of 0, as of an expanded tensor, is refused. */
} optim_tensor;

/* ---- Helpers --------------------------------------------------------------------------------------------------------- */

#define OPTIM_PULLBACK_NONE 0
#define OPTIM_PULLBACK_RESET 1
#define OPTIM_PULLBACK_PULLBACK 2

/* Helpers of a plan, switchable on any rule; a zero-filled struct switches everything off. However many are on, they add one
 * read of the gradient (of the parameter, where one needs its norm; of further inputs, with skip_nonfinite). They act in this
 * order: unscale, skip_nonfinite, clip_value, clip_norm, agc, centralize, normalize; stable_weight_decay, norm_loss; the rule's
 * step; lookahead.
 * A rule that has a helper among its hyper-parameters (use_gc and centralize_gradients: centralize; agc_clipping_value; ...) means
 * the same one at the same place, and what the plan switches on takes the place of the rule's own. Coupled weight decay reads the
 * parameter as it was before all of them.
 * A "row" is one slice along dimension 0; a tensor of rank 0 or 1 is a single row. */
typedef struct optim_helpers {
  uint64_t size;
  int32_t skip_nonfinite;       /* 1: a non-finite element of a gradient or of a further input skips the whole step, as found_inf
                                   does */
  int32_t centralize;           /* 1: subtract each row's mean from the gradient, rank >= 2 (arXiv 2004.01461) */
  int32_t centralize_conv_only; /* 1: centralize only rank >= 4 */
  int32_t normalize;            /* 1: divide by the standard deviation (n-1) of the tensor; more than 2 elements */
  int32_t normalize_channels;   /* 1: normalize per row instead (rank >= 2, rows of at least 2 elements) */
  int32_t lookahead_k;          /* > 0: blend with the slow weights every k steps (arXiv 1907.08610) */
  int32_t lookahead_pullback;   /* OPTIM_PULLBACK_...: what a blend does to the first moment */
  int32_t reserved;             /* 0 */
  double clip_value;            /* > 0: clamp every gradient element to [-clip_value, clip_value] */
  double clip_norm;             /* > 0: scale all gradients by min(1, clip_norm / (norm + clip_norm_eps)), as torch: by 0 where the norm is
                                   infinite, by NaN where it is NaN; skip_nonfinite skips such a step */
  double clip_norm_type;        /* 1, 2 or infinity; 0 = 2 */
  double clip_norm_eps;         /* 0 = 1e-6 */
  double agc_clip_val;          /* > 0: adaptive gradient clipping per row (arXiv 2102.06171) */
  double agc_eps;               /* lower bound of the parameter norm; 0 = 1e-3 */
  double agc_division_eps;      /* lower bound of the gradient norm in the division; 0 = 1e-6 */
  double normalize_eps;         /* added to the standard deviation; 0 = 1e-8 */
  double stable_weight_decay;   /* > 0: decoupled decay divided by the root mean second moment (arXiv 2011.11152) */
  double norm_loss_factor;      /* > 0: pull the norm of each row of the parameter to 1 (arXiv 2103.06583) */
  double norm_loss_eps;         /* 0 = 1e-8 */
  double lookahead_alpha;       /* weight of the fast parameters at a blend, in (0, 1]; 0 = 0.5 */
} optim_helpers;

/* Each helper as a function of its own over `count` tensors of one engine, in place; the meaning of the numbers and their
 * defaults are those of optim_helpers. Tensors of all dtypes; params[i] and grads[i] have equal shapes. Host outputs (norm,
 * rms) may be NULL and are waited for when given. optim_unscale takes floats of the device: g /= *grad_scale, and
 * *found_inf = 1 if an element is not finite. */
OPTIM_API optim_status optim_unscale(optim_engine* engine, int64_t count, const optim_tensor* grads,
                                     const float* grad_scale, float* found_inf);
OPTIM_API optim_status optim_clip_grad_value(optim_engine* engine, int64_t count, const optim_tensor* grads,
                                             double clip_value);
OPTIM_API optim_status optim_clip_grad_norm(optim_engine* engine, int64_t count, const optim_tensor* grads,
                                            double max_norm, double norm_type, double eps, double* norm);
OPTIM_API optim_status optim_agc(optim_engine* engine, int64_t count, const optim_tensor* params,
                                 const optim_tensor* grads, double clip_val, double agc_eps, double division_eps);
OPTIM_API optim_status optim_centralize(optim_engine* engine, int64_t count, const optim_tensor* grads,
                                        int32_t conv_only);
OPTIM_API optim_status optim_normalize(optim_engine* engine, int64_t count, const optim_tensor* grads, int32_t channels,
                                       double eps);
OPTIM_API optim_status optim_norm_loss(optim_engine* engine, int64_t count, const optim_tensor* params, double lr,
                                       double factor, double eps);
OPTIM_API optim_status optim_stable_weight_decay(optim_engine* engine, int64_t count, const optim_tensor* params,
                                                 const optim_tensor* exp_avg_sqs, double lr, double weight_decay,
                                                 double beta2, int64_t step, double* rms);
OPTIM_API optim_status optim_lookahead(optim_engine* engine, int64_t count, const optim_tensor* params,
                                       const optim_tensor* slow_params, double alpha);
/* x = log(1 + exp(beta x)) / beta for every element: a smooth lower bound of denominators (arXiv 1908.00700); beta 0 = 50. */
OPTIM_API optim_status optim_softplus(optim_engine* engine, int64_t count, const optim_tensor* tensors, double beta);
/* Norms of the rows of one tensor (scope of agc and norm loss) into host doubles: shape[0] of them for rank >= 2, else 1. */
OPTIM_API optim_status optim_unit_norm(optim_engine* engine, const optim_tensor* tensor, double* norms);

/* ---- Sharpness-aware minimization ---------------------------------------------------------------------------------------- */

/* SAM (arXiv 2010.01412) and ASAM (arXiv 2102.11600) step with the gradient of the point of highest loss nearby:
 *   1. gradients at the parameters; optim_sam_perturb
 *   2. gradients at the moved parameters; optim_sam_restore; a step of any rule with these gradients.
 *
 * perturb saves params[i] in old_params[i] (same shape and dtype) and adds rho / (n + perturb_eps) * T^2 g, with T = 1, or
 * |p| + asam_eta when adaptive is 1, and n the norm of T g over all tensors given. use_gc 1: g is centralized per row first
 * (rank >= 2). perturb_eps 0 = 1e-12. Gradients do not change; where all are 0 parameters do not either. Give only tensors
 * that have a gradient. A gradient that is not finite makes parameters that are not, until restore.
 * restore puts params[i] back to the bit.
 *
 * For training loops make two plans of the same tensors (optim_plan_create), which allocate nothing in a step:
 *   "sam_perturb"   hyper-parameters rho (0.05), adaptive (0), perturb_eps (1e-12), use_gc (0), asam_eta (0), by group; the norm
 *                   is over all groups; one state per tensor, old_p, of the parameter's shape and dtype
 *   "sam_restore"   no hyper-parameters; the same state, bound to the same buffers. Bind the gradients of step 1 to it too: a
 *                   tensor that had none is left alone. They are not read. */
OPTIM_API optim_status optim_sam_perturb(optim_engine* engine, int64_t count, const optim_tensor* params,
                                         const optim_tensor* grads, const optim_tensor* old_params, double rho,
                                         int32_t adaptive, double perturb_eps, int32_t use_gc, double asam_eta);
OPTIM_API optim_status optim_sam_restore(optim_engine* engine, int64_t count, const optim_tensor* params,
                                         const optim_tensor* old_params);

/* ---- Gradient surgery ------------------------------------------------------------------------------------------------------- */

#define OPTIM_REDUCTION_SUM 0
#define OPTIM_REDUCTION_MEAN 1

/* PCGrad (arXiv 2001.06782): the gradient of each of 1 to 64 tasks, over all tensors together, is projected onto the normal
 * plane of every other task's gradient that it conflicts with; merged[i] becomes the sum over the tasks. It takes two reads of
 * each gradient and one write, whatever the number of conflicts.
 *
 * task_grads is [task_count][tensor_count]; data NULL = the task has no gradient for the tensor, which counts as zeros. Tensors
 * of one index have equal shape and strides; any mixture of F32, F16 and BF16, or all F64. merged[i] may be the buffer of one
 * of its own gradients, and is otherwise apart from all. order is [task_count][task_count - 1]: for each task all others, in the
 * order in which it is projected (the paper: random); NULL = ascending. OPTIM_REDUCTION_MEAN divides by task_count the tensors
 * for which every task has a gradient. */
OPTIM_API optim_status optim_pcgrad(optim_engine* engine, int64_t task_count, int64_t tensor_count,
                                    const optim_tensor* task_grads, const optim_tensor* merged, const int64_t* order,
                                    int32_t reduction);

/* ---- Random probes ---------------------------------------------------------------------------------------------------------- */

/* Fills tensors of any dtype with +1 and -1, each with probability 1/2: the probes of Hutchinson's estimator, for rules that take
 * a Hessian diagonal (arXiv 2006.00719). Equal on every engine: element i of all tensors laid end to end, in memory order, is -1
 * where bit i mod 32 of word (i / 32) mod 4 of Philox4x32-10 is set, with the key seed and the counter (i / 128, offset). Take
 * another offset for every probe, such as the number of the step. */
OPTIM_API optim_status optim_rademacher(optim_engine* engine, int64_t count, const optim_tensor* tensors, uint64_t seed,
                                        uint64_t offset);

/* ---- Plans: a rule bound to all tensors of one optimizer --------------------------------------------------------------- */

typedef struct optim_plan optim_plan;

typedef struct optim_plan_options {
  uint64_t size;
  const char* rule;           /* a name of the schema, such as "adamw" */
  int64_t group_count;        /* >= 1 */
  int64_t hyper_count;        /* doubles per group in hypers; fewer than the schema has: the rest take their defaults */
  const double* hypers;       /* [group_count][hyper_count]; may be NULL when hyper_count is 0 */
  int64_t tensor_count;       /* >= 0 */
  const optim_tensor* params; /* [tensor_count]; data may be NULL until optim_plan_bind */
  const int64_t* group_of;    /* [tensor_count] group of each tensor; NULL = all in group 0 */
  const optim_helpers* helpers; /* NULL = none */
  int32_t grad_dtype;           /* dtype of all gradients; 0 = each as its parameter */
  int32_t state_dtype;          /* dtype of all states; 0 = F64 for F64 parameters, else F32 */
  int32_t master_weights;       /* 1: F16 and BF16 parameters are stepped through a copy in F32 (optim_plan_create) */
  int32_t stochastic_rounding;  /* 1: BF16 parameters are rounded at random (optim_plan_create) */
  uint64_t rounding_seed;       /* of stochastic_rounding; any value */
  const int32_t* steps_by_group; /* [group_count] 1: the group's tensors share one step count, which advances at every step that
                                    is not skipped, also for those without a gradient then; NULL = 0 for all */
} optim_plan_options;

/* Creates a plan. Everything is copied except the buffers.
 *
 * A step is often smaller than half the distance between two neighbouring 16-bit numbers, and rounding to nearest loses it. Two
 * options keep it, on every rule of the schema, with any helpers:
 *
 * master_weights (arXiv 1710.03740, section 3.1): each parameter in F16 or BF16 has one more state, "master_param", of its
 * shape and in F32, which begins as the parameter. Steps read it in place of the parameter and write both: the master
 * weights as a plan of F32 parameters would, and the parameter as those rounded to nearest. Who changes a parameter between
 * steps must change its master weights likewise, or call optim_plan_init_states. Parameters in F32 need none and have none;
 * F64 is refused.
 *
 * stochastic_rounding (arXiv 1502.02551): what a step makes of a parameter in BF16, computed in F32, is stored as one of its
 * two neighbours in BF16, the nearer the likelier, so that it is kept on average. Parameters in F32 are stored as they are;
 * F16 and F64 are refused. A number that BF16 has is stored as it is, and a finite one never as infinity. The choice is the same on every engine and for any number of threads:
 * with x the bits of the F32 number without its sign, element e of tensor i at its step t becomes (x + draw) >> 16,
 * where draw is half e mod 2 (0: the lower) of word (e / 2) mod 4 of Philox4x32-10 with the key rounding_seed and the counter
 * (2^40 i + e / 8, 2^63 + t), e in memory order. States are rounded to nearest. Not together with master_weights. */
OPTIM_API optim_status optim_plan_create(optim_engine* engine, const optim_plan_options* options, optim_plan** plan);
OPTIM_API void optim_plan_free(optim_plan* plan);

/* State slots of one tensor, in the order in which states are bound: the rule's own first, then those of helpers
 * ("slow_params", "slow_momentum"), then "master_param". name has static storage or lives as long as the plan. */
typedef struct optim_slot {
  uint64_t size;
  const char* name;
  uint64_t bytes;
  int32_t dtype;
  int32_t rank;
  int64_t shape[OPTIM_MAX_RANK];
} optim_slot;
OPTIM_API optim_status optim_plan_slot_count(const optim_plan* plan, int64_t tensor, int64_t* count);
OPTIM_API optim_status optim_plan_slot(const optim_plan* plan, int64_t tensor, int64_t index, optim_slot* slot);

/* Binds buffers. params and grads have one pointer per tensor; states has the slots of tensor 0, then of tensor 1, ... A NULL
 * array leaves that part as it was. A NULL gradient means "no gradient": the tensor is left alone by steps. Pointers are
 * checked (alignment to the element, overlap, device) and compared: nothing is uploaded or allocated when nothing changed. */
OPTIM_API optim_status optim_plan_bind(optim_plan* plan, void* const* params, void* const* grads, void* const* states);

/* Binds the further inputs of a rule that needs them (the schema's "needs", such as "hessian", an estimate of the Hessian's
 * diagonal), like gradients in dtype and shape and never changed by steps: those of tensor 0, then of tensor 1, ... NULL entries:
 * not given at the steps that follow, which is allowed once a tensor has had them at one step; a group's tensors that have gradients
 * have them all or none. */
OPTIM_API optim_status optim_plan_bind_inputs(optim_plan* plan, void* const* inputs);

/* Fills all bound states with their initial values and sets every step count to 0. A rule with constraints also
 * projects the parameters here, as its paper asks. Not needed when states are loaded instead. */
OPTIM_API optim_status optim_plan_init_states(optim_plan* plan);

typedef struct optim_step {
  uint64_t size;
  const float* grad_scale; /* device float or NULL: gradients are divided by it */
  const float* found_inf;  /* device float or NULL: non-zero skips the step; nothing changes, counters stay */
  float* overflow; /* device float or NULL: a non-finite element of a gradient or further input sets it to 1 and skips the step */
} optim_step;

/* One step of all groups; options may be NULL. Parameters, states and counters change; gradients never do.
 *
 * A CUDA engine starts one kernel, whatever the number of tensors and groups; one more where something is summed over gradients
 * before the rule acts (skip_nonfinite, overflow, clip_norm, agc, centralize, normalize, norm_loss; use_gc, AdaNorm, pre_norm and
 * max_grad_norm of a rule), one more for stable_weight_decay, and one more for a reduced rule; a matrix rule adds its program. What
 * grad_scale, found_inf and overflow point to must stay as it is until the step is done.
 *
 * Steps may be captured in a CUDA graph, from the engine's stream, once a step with the same pointers and options has been made.
 * What the captured step works on lives in device memory: each replay counts as a step, and sees the buffers, *grad_scale,
 * *found_inf, the step counts and the hyper-parameters as they are then. optim_plan_set_hypers and optim_plan_set_steps between
 * replays queue the new values on the engine's stream, behind the replays queued there before and ahead of those queued later (a
 * replay on another stream must be ordered by the caller), and need no new capture. What decides which kernels run is fixed by the
 * capture: a helper, or a hyper-parameter of that kind above, that is switched on later needs a new one, and so does a
 * hyper-parameter that decides which elements are summed together. */
OPTIM_API optim_status optim_plan_step(optim_plan* plan, const optim_step* options);

/* Step counts, one number per tensor of the plan. A tensor's count advances when a step steps it: not without a gradient, and not at
 * steps that are skipped. What a rule makes of its hyper-parameters and the count (bias correction, warm-up, which steps look ahead)
 * is therefore the tensor's own. A group with steps_by_group counts its steps for all its tensors together.
 * input_steps: those of the steps at which the inputs of optim_plan_bind_inputs were given; 0 for a rule without inputs.
 * stepped: 1 once a step has changed the tensor. Some rules begin differently with a tensor's first gradient (dampened momentum).
 *
 * get waits for the device; any output may be NULL. set replaces all counts, when states are loaded: input_steps NULL = 0,
 * stepped NULL = 1 where steps are above 0. Counts are at most 2^53. All three together are what a checkpoint must keep. */
OPTIM_API optim_status optim_plan_get_steps(const optim_plan* plan, int64_t* steps, int64_t* input_steps,
                                            int32_t* stepped);
OPTIM_API optim_status optim_plan_set_steps(optim_plan* plan, const int64_t* steps, const int64_t* input_steps,
                                            const int32_t* stepped);

/* Live hyper-parameters of a group, in schema order; count may be less than the schema has (the rest stay). Setting one that
 * decides which slots exist is refused. On a CUDA engine the values travel as kernel arguments, queued on the engine's stream,
 * and replays of captured steps queued later use them; setting what is set already queues nothing. */
OPTIM_API optim_status optim_plan_get_hypers(const optim_plan* plan, int64_t group, double* hypers, int64_t count);
OPTIM_API optim_status optim_plan_set_hypers(optim_plan* plan, int64_t group, const double* hypers, int64_t count);

/* Bytes that one step must read and write with what is bound and switched on (the cost line of docs/optimizers.md). Two passes over
 * what is summed together (a row, a tensor) count as one where its streams stay on the chip: in 512 KiB on the CPU, a core's cache, in
 * 128 KiB on CUDA, a block's share of the L2 cache. */
OPTIM_API optim_status optim_plan_bytes_per_step(const optim_plan* plan, uint64_t* bytes);

/* What the last optim_plan_step queued on a CUDA engine: how many kernels it started, and how many copies to the device it made
 * (0 unless pointers changed since the step before). Either output may be NULL. Does not wait. 0 and 0 on a CPU engine. */
OPTIM_API optim_status optim_plan_queued_work(const optim_plan* plan, uint64_t* launches, uint64_t* uploads);

/* ---- Matrix roots ------------------------------------------------------------------------------------------------------ */

/* Counters of a batch of roots. */
#define OPTIM_ROOT_SKIPPED 0    /* roots left as they were: the matrix is not finite, or the root is beyond its dtype */
#define OPTIM_ROOT_INDEFINITE 1 /* matrices with a negative eigenvalue that rounding does not explain; it was raised */
#define OPTIM_ROOT_COUNTS 2

/* roots[i] = ((A + A^T) / 2)^(-1/p) for A = matrices[i], symmetric positive semidefinite, p = 1 ... 16. With Q diag(lambda) Q^T
 * for the matrix and L = max(largest lambda, 1e-16): lambda is raised to 0 and ridge_epsilon * L added; where ridge_epsilon is 0,
 * lambda is raised to n * 2^-53 * L instead. Arithmetic in double, by an eigendecomposition (Golub & Van Loan, Matrix
 * Computations, section 8.3): the relative error is about 1e-15 times the condition number. Nothing is ever NaN.
 * On a CUDA engine F32 matrices of more than 64 rows are iterated upon where that is as good (Guo & Higham 2006, scaled): a lambda
 * below 0 by less than 2.4e-7 L and a tenth of the ridge is not raised then.
 * matrices and roots: `count` square matrices each of 0 to 8192 rows, of any sizes together, row-major, F32 or F64, roots[i] as
 * matrices[i]; no root may overlap another tensor. matrices are never written.
 * counts: OPTIM_ROOT_COUNTS numbers on the engine's device that this adds to, or NULL.
 * On a CUDA engine everything is queued and nothing waits for the device, except that the engine's scratch memory grows with
 * the largest batch so far, to at most a sixteenth of its memory or 1 GiB unless one matrix needs more; a matrix is the work
 * of one multiprocessor. */
OPTIM_API optim_status optim_inverse_root(optim_engine* engine, int64_t count, const optim_tensor* matrices,
                                          const optim_tensor* roots, int32_t p, double ridge_epsilon, uint64_t* counts);

/* The same by the coupled Newton iteration (Guo & Higham 2006), which needs products only: from X = z^(1/p) I, M = z A,
 * z = (1 + p) / (2 |A|_F), repeats T = ((p + 1) I - M) / p, X = X T, M = T^p M. Ends after `iterations` (0 to 1000), when
 * max |M - I| <= tolerance, or when that error grows by more than a fifth (then X is the one before). Converges for matrices of
 * moderate condition, in about ln(condition) + 6 iterations; there is no ridge. roots[i] is the last X.
 * errors: `count` doubles on the device for max |M - I| of the X that was kept, or NULL. A matrix of zeros has no root and is
 * skipped, as one that is not finite; its error is left as it was. The rest is as in optim_inverse_root. */
OPTIM_API optim_status optim_coupled_newton(optim_engine* engine, int64_t count, const optim_tensor* matrices,
                                            const optim_tensor* roots, int32_t p, int32_t iterations, double tolerance,
                                            double* errors, uint64_t* counts);

/* The counters of all roots that a plan's steps have taken, into OPTIM_ROOT_COUNTS host numbers; all 0 for a rule without
 * matrices. A root that was skipped keeps its former value. Waits for the device. */
OPTIM_API optim_status optim_plan_root_counts(const optim_plan* plan, uint64_t* counts);

/* ---- Dynamic loss scaling ---------------------------------------------------------------------------------------------- */

/* The loss is multiplied by a scale, which falls when gradients overflow and grows again. The cycle of a step: multiply the
 * loss by state->scale, on the device; backward pass; optim_plan_step with grad_scale = &state->scale and
 * overflow = &state->overflow, for one plan or several, each of which is skipped as a whole when its own gradients overflow;
 * optim_loss_scale_update. None of it waits for the device, and once a first cycle has been made (the first step with overflow
 * allocates) it can be captured in a CUDA graph. */

#define OPTIM_LOSS_SCALE_AMP 0 /* torch.amp.GradScaler: falls at every overflow, grows after an interval without */
#define OPTIM_LOSS_SCALE_FAIRSEQ \
  1 /* fairseq's DynamicLossScaler: falls when the share of overflows reaches the tolerance */

typedef struct optim_loss_scale_options {
  uint64_t size;
  int32_t rule;            /* OPTIM_LOSS_SCALE_... */
  int32_t reserved;        /* 0 */
  double init_scale;       /* 0 = 65536 (AMP), 32768 (FAIRSEQ) */
  double growth_factor;    /* > 1; 0 = 2. FAIRSEQ divides by it, too (scale_factor) */
  double backoff_factor;   /* AMP: in (0, 1); 0 = 0.5 */
  int64_t growth_interval; /* 0 = 2000. FAIRSEQ: scale_window */
  double tolerance;        /* FAIRSEQ: in [0, 1] */
  double threshold;        /* FAIRSEQ: the scale does not fall below it; 0 = none */
  double min_scale;        /* FAIRSEQ: min_loss_scale, see failed; 0 = 2^-5, -1 = none */
} optim_loss_scale_options;

/* The state, in memory of the device (it has no size member); 8-byte aligned. The rules keep the scale a normal float. Copy it
 * with optim_buffer_copy to read, save or restore it. */
typedef struct optim_loss_scale {
  float scale;    /* what the loss is multiplied by: grad_scale of steps */
  float overflow; /* overflow of steps; every update sets it back to 0 */
  int32_t failed; /* FAIRSEQ: 1 once the scale fell to min_scale, and was restored: training has diverged */
  int32_t reserved;
  int64_t growth_tracker; /* AMP: steps without overflow since the scale changed */
  int64_t iteration;      /* FAIRSEQ: number of updates */
  int64_t last_overflow;  /* FAIRSEQ: iteration of the last overflow; -1: none */
  int64_t last_rescale;   /* FAIRSEQ: iteration of the last change of the scale; -1: none */
  int64_t overflows;      /* FAIRSEQ: overflows since the scale fell */
} optim_loss_scale;

/* Writes the state that training starts with; waits for the device. */
OPTIM_API optim_status optim_loss_scale_init(optim_engine* engine, const optim_loss_scale_options* options,
                                             optim_loss_scale* state);

/* Moves the scale after a step by whether overflow is non-zero, and sets overflow back to 0. Queued on the engine's stream. */
OPTIM_API optim_status optim_loss_scale_update(optim_engine* engine, const optim_loss_scale_options* options,
                                               optim_loss_scale* state);

/* ---- Schedules ------------------------------------------------------------------------------------------------------- */

/* The value of a learning-rate schedule for step n = 1, 2, ...: a pure function, so that a resumed run continues with its step
 * alone. It is the rate to step with, as in optim_plan_set_hypers before the n-th optim_plan_step.
 * name: a schedule of the schema, such as "cosine", whose entry names the paper. values: `count` doubles in the order of its
 * hypers; fewer than it has: the rest take their defaults; may be NULL when count is 0. Needs no engine and may be called from
 * any thread. OPTIM_NOT_FOUND for another name, OPTIM_INVALID_ARGUMENT for a value or step out of range, or where the rate that
 * comes of them is not finite. */
OPTIM_API optim_status optim_schedule_value(const char* name, const double* values, int64_t count, int64_t step,
                                            double* value);

#ifdef __cplusplus
}
#endif

#endif
