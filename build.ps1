#!/usr/bin/env pwsh
# ./build.ps1 TARGET [--force] [arguments of demo or bench]; without a target it prints the targets. Mirrors build.sh.
$ErrorActionPreference = 'Stop'
Set-Location $PSScriptRoot

$targets = Get-Content build.cake | Select-String '^Task\("([a-z]+)"\)\.Description\("([^"]*)"\)' | ForEach-Object { $_.Matches[0] }
if ($args.Count -eq 0) {
    Write-Output 'usage: ./build.ps1 TARGET [--force] [arguments]', ''
    $targets | ForEach-Object { '  {0,-12}{1}' -f $_.Groups[1].Value, $_.Groups[2].Value }
    Write-Output '', '  --force     run tests again even where nothing they depend on has changed'
    exit 0
}

$target = $args[0]
if ($targets.ForEach({ $_.Groups[1].Value }) -notcontains $target) {
    [Console]::Error.WriteLine("build.ps1: there is no target $target; ./build.ps1 without arguments prints the targets")
    exit 2
}
$rest = @($args | Select-Object -Skip 1)
$force = @($rest | Where-Object { $_ -eq '--force' } | Select-Object -First 1)
$rest = @($rest | Where-Object { $_ -ne '--force' })

if (-not (Get-Command dotnet -ErrorAction SilentlyContinue)) {
    [Console]::Error.WriteLine('build.ps1: the .NET SDK 10 is needed and not found (global.json names the version); put dotnet on PATH')
    exit 1
}
if ($IsLinux) {
    $needs = @(if ($target -in 'test', 'all') { '--tests' })
    & cmake/setup-debian.sh @needs
    if ($LASTEXITCODE -ne 0) { exit $LASTEXITCODE }
} else {
    foreach ($tool in 'cmake', 'ninja') {
        if (-not (Get-Command $tool -ErrorAction SilentlyContinue)) {
            [Console]::Error.WriteLine("build.ps1: $tool is needed and not found: install it and put it on PATH")
            exit 1
        }
    }
}

$env:DOTNET_NOLOGO = 1
$env:DOTNET_CLI_TELEMETRY_OPTOUT = 1
$env:MSBUILDDISABLENODEREUSE = 1
$env:OPTIM_ARGUMENTS = $rest -join "`n"
$restored = dotnet tool restore
if ($LASTEXITCODE -ne 0) { $restored; exit $LASTEXITCODE }
Remove-Item -Force -ErrorAction SilentlyContinue build/test-results/total.txt
dotnet cake build.cake --target=$target @force
$status = $LASTEXITCODE
if (Test-Path build/test-results/total.txt) { Get-Content build/test-results/total.txt }
exit $status
