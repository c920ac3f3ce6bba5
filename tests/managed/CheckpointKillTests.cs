using Optim.Tests.Support;

namespace Optim.Tests;

public sealed class CheckpointKillTests
{
    private const int Rounds = 16;

    /// <summary>Whenever a program that saves is killed, its file is whole, and no older than what it said it had
    /// saved.</summary>
    [Fact]
    public async Task A_kill_at_any_moment_leaves_a_whole_file()
    {
        using var scratch = new Scratch();
        var path = scratch.File("run.safetensors");
        using var expected = new SaveLoop();
        using var resumed = new SaveLoop();
        var random = new Random(1);
        var saved = 0L;
        for (var round = 0; round < Rounds; round++)
        {
            using var program = SaveLoop.Start(path);
            var output = program.StandardOutput.ReadLineAsync();
            await output;
            await Task.Delay(random.Next(120));
            program.Kill();
            await program.WaitForExitAsync();
            var told = SaveLoop.LastSaved($"{await output}\n{await program.StandardOutput.ReadToEndAsync()}");

            resumed.Optimizer.Load(path);
            var step = resumed.Optimizer.StepCount();
            Assert.InRange(step, Math.Max(told, saved + 1), told + 1);
            while (expected.Optimizer.StepCount() < step)
            {
                expected.Step();
            }

            StateTests.AssertSame(expected.Optimizer.StateDict(), resumed.Optimizer.StateDict());
            saved = step;
            Assert.InRange(Directory.EnumerateFiles(scratch.Folder).Count(), 1, 2); // who is killed while writing leaves one more
        }

        resumed.Optimizer.Save(path);
        Assert.Equal([path], Directory.EnumerateFiles(scratch.Folder));
    }
}
