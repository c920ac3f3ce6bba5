using System.Runtime.CompilerServices;

// Allocation counts and finalizers want one test at a time.
[assembly: CollectionBehavior(DisableTestParallelization = true)]
[assembly: DisableRuntimeMarshalling]
