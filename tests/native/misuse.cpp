#include "misuse.h"

namespace optim_test {

testing::AssertionResult refused(optim_status status, const std::vector<std::string>& words, optim_status expected) {
  if (status == OPTIM_OK) return testing::AssertionFailure() << "the call was accepted";
  const std::string text = optim_last_error();
  if (status != expected) {
    return testing::AssertionFailure() << "refused with " << optim_status_name(status) << " instead of "
                                       << optim_status_name(expected) << ": " << text;
  }
  for (const std::string& word : words) {
    if (text.find(word) == std::string::npos) {
      return testing::AssertionFailure() << "the message does not name '" << word << "': " << text;
    }
  }
  if (text.empty() || text.find('\n') != std::string::npos) {
    return testing::AssertionFailure() << "the message is not one line: '" << text << "'";
  }
  return testing::AssertionSuccess();
}

}  // namespace optim_test
