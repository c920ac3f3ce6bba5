"""Schedules of the library as schedulers of torch."""

from torch.optim import lr_scheduler

_Base = getattr(lr_scheduler, "LRScheduler", None) or lr_scheduler._LRScheduler  # the name of before torch 2.0


class ScheduleLR(_Base):
    """Sets the learning rate of all parameter groups by a schedule: call `step` after each step of the optimizer.

    Args:
        optimizer: any torch.optim.Optimizer.
        schedule: a function of the number of the step, 1 for the first, such as `optim.schedules.CosineSchedule(...)`.
        last_epoch: the number of steps made before, to resume: the next rate is schedule(last_epoch + 1); -1: none.
    """

    def __init__(self, optimizer, schedule, last_epoch=-1):
        self.schedule = schedule
        super().__init__(optimizer, last_epoch - 1 if last_epoch > 0 else -1)  # which makes a step

    def get_lr(self):
        return [self.schedule(self.last_epoch + 1)] * len(self.base_lrs)

    def state_dict(self):
        return {name: value for name, value in super().state_dict().items() if name != "schedule"}
