// The fixtures of ../ as one unit: this program links the object files of the library instead of the library.
#include "../fixture.cpp"
#include "../golden_file.cpp"
#include "../helper_settings.cpp"
#include "../list_functions.cpp"
#include "../numbers.cpp"
#include "../sanitizer_options.cpp"
#include "../schema.cpp"
#include "../session.cpp"
