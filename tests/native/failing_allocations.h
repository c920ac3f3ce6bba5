// Replacements of operator new and delete, for the whole process and so for the library too, that can be told to fail.
#pragma once

namespace optim_test {

// The calling thread's next `count` allocations succeed, the one after them fails, and all later ones succeed.
void fail_allocation_after(int count);

// Whether that happened; takes the order back if it did not.
bool allocation_has_failed();

}  // namespace optim_test
